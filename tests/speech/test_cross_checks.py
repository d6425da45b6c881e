import pandas as pd
import pytest

from soundmind_pipeline.speech.cross_checks import with_cross_defects
from soundmind_pipeline.speech.scan import ScanParams


def clips(*rows: tuple[str, str, float, str, str | None]) -> pd.DataFrame:
    columns = ["uid", "side", "seconds", "samples_sha256", "defect"]
    return pd.DataFrame(rows, columns=columns).assign(detail=None)


def test_one_sound_under_two_texts_is_a_defect_of_both():
    table = clips(
        ("train/1", "question", 2.0, "a", None),
        ("train/2", "question", 2.0, "a", None),
        ("train/3", "question", 2.0, "b", None),
        ("train/3", "answer", 2.0, "b", None),
    )
    texts = ["one two three four", "five six seven eight", "Same, text!", "same text"]
    found = with_cross_defects(table, texts, ScanParams())
    assert found["defect"].fillna("").tolist() == ["shared sound", "shared sound", "", ""]
    assert found["detail"].tolist()[:2] == [
        "the same samples as the question of train/2, whose text is another",
        "the same samples as the question of train/1, whose text is another",
    ]
    assert table["defect"].isna().all()


@pytest.mark.parametrize(
    ("words", "seconds", "defect"),
    [(20, 8.0, None), (20, 1.0, "wrong duration"), (20, 60.0, "wrong duration"), (2, 30.0, None)],
)
def test_a_duration_must_fit_the_text(words, seconds, defect):
    found = with_cross_defects(clips(("a", "question", seconds, "x", None)), ["word " * words], ScanParams())
    assert (found["defect"].fillna("none")[0] == (defect or "none")) is True
    if defect:
        assert found["detail"][0].startswith(f"20 words in {seconds:.2f} s are")


def test_a_known_defect_stays_and_an_unread_clip_is_compared_with_nothing():
    table = clips(("a", "question", float("nan"), None, "missing"), ("b", "question", float("nan"), None, "empty"))
    found = with_cross_defects(table, ["one two three four", "five"], ScanParams())
    assert found["defect"].tolist() == ["missing", "empty"]


def test_an_empty_table():
    assert with_cross_defects(clips(), [], ScanParams()).empty

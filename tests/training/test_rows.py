import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.training.params import RlParams, SftParams
from soundmind_pipeline.training.rows import training_rows


@pytest.fixture
def index() -> pd.DataFrame:
    """Train rows: sound, contradicted, leaked, silent, and one that is both contradicted and leaked; then dev, test."""
    return pd.DataFrame(
        {
            "split": ["train"] * 5 + ["dev", "test"],
            "uid": ["sound", "conflict", "leak", "silent", "both", "dev", "test"],
            "reference_verdict": ["entailed", "entailed", "entailed", None, "entailed", None, "entailed"],
            "label_conflict": [False, True, False, False, True, True, True],
            "leak_group": ["a", "b", "c", "d", "c", "c", "e"],
        }
    )


@pytest.mark.parametrize(
    ("conflicts", "leaks", "imitated", "reinforced"),
    [
        (False, False, ["sound", "conflict", "leak", "both"], ["sound", "conflict", "leak", "silent", "both"]),
        (True, False, ["sound", "leak"], ["sound", "leak", "silent"]),
        (False, True, ["sound", "conflict"], ["sound", "conflict", "silent"]),
        (True, True, ["sound"], ["sound", "silent"]),
    ],
)
def test_rows_are_left_out_as_asked_and_only_of_train(index, conflicts, leaks, imitated, reinforced):
    asked = {"exclude_label_conflicts": conflicts, "exclude_leaks": leaks}
    before = index.copy()
    sft, rl = (
        training_rows(index, params(**asked), imitates) for params, imitates in ((SftParams, True), (RlParams, False))
    )
    assert sft["uid"].tolist() == [*imitated, "dev", "test"]
    assert rl["uid"].tolist() == [*reinforced, "dev", "test"]
    pd.testing.assert_frame_equal(index, before)


def test_counts_are_logged_by_reason(index, caplog):
    caplog.set_level("INFO")
    training_rows(index, SftParams(exclude_label_conflicts=True, exclude_leaks=True), imitates=True)
    assert "4 of 5 train rows left out: 2 label contradicted by the reference, 2 leak group in another split, 1 " in (
        caplog.text
    )
    assert "1 reference without a verdict" in caplog.text


def test_by_default_a_complete_table_is_the_very_same(index, caplog):
    caplog.set_level("INFO")
    complete = index[index["uid"] != "silent"]
    assert training_rows(complete, SftParams(), imitates=True) is complete
    assert training_rows(index, RlParams(), imitates=False) is index
    assert caplog.text == ""


def test_nothing_left_to_learn_from_is_an_error(index):
    conflicts = index[index["label_conflict"]]
    with pytest.raises(SoundmindError, match="No train row is left: 2 label contradicted"):
        training_rows(conflicts, RlParams(exclude_label_conflicts=True), imitates=False)

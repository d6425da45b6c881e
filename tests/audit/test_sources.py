import pytest

from soundmind_pipeline.audit.sources import agreement_with
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.sources.source_labels import SourceLabels


def source(label, major="All men are mortal", minor="Tom is a man", conclusion="Tom is mortal"):
    return {"label": label, "major_premise": major, "minor_premise": minor, "conclusion": conclusion}


def test_agreement_by_hand(tmp_path, make_row, make_prompt, write_rows):
    path = write_rows(
        tmp_path / "logiqa.txt",
        source("entailed", ["All men are mortal"]),  # cut into sentences
        source("not entailed", "ALL men are mortal!", " Tom is a man", "Ann is mortal."),
        source("entailed", conclusion="both"),
        source("not entailed", conclusion="both"),
        source(None),
        "{oops",
    )
    labels = SourceLabels()
    labels.read(path)
    rows = [
        make_row(1, label=1),
        make_row(2, label=0),
        make_row(3, label=1, user_content=make_prompt(conclusion="Ann is mortal")),
        make_row(4, label=1, user_content=make_prompt(conclusion="both")),
        make_row(5, label=1, user_content=make_prompt("Not in the source")),
        make_row(6, label=1, user_content="no triplet"),
    ]
    result = agreement_with(labels, rows)
    assert result["confusion"] == {
        "label_0_source_0": 0,
        "label_0_source_1": 1,
        "label_1_source_0": 1,
        "label_1_source_1": 1,
    }
    assert (result["matched"], result["agree"], result["ambiguous"], result["unmatched"]) == (3, 1, 1, 2)
    assert result["agreement"] == pytest.approx(1 / 3)
    assert [row["line"] for row in result["disagreeing_rows"]] == [2, 3]
    (file,) = labels.files
    assert file["rows"] == 4 and [bad["line"] for bad in file["bad_rows"]] == [5, 6]


def test_nothing_matched(tmp_path, make_row, write_rows):
    labels = SourceLabels()
    labels.read(write_rows(tmp_path / "logiqa.txt", source(1, conclusion="x")))
    assert agreement_with(labels, [make_row()])["agreement"] is None


@pytest.mark.parametrize(
    ("lines", "message"),
    [((), "it is empty"), (({"premise": "a", "hypothesis": "b", "label": 1},), 'line 1: key "major_premise"')],
)
def test_a_file_of_another_kind_is_an_error(tmp_path, write_rows, lines, message):
    path = write_rows(tmp_path / "logiqa.txt", *lines)
    with pytest.raises(SoundmindError, match=r"logiqa\.txt: holds no problem") as error:
        SourceLabels().read(path)
    assert message in str(error.value)

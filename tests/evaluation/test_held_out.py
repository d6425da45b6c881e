import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.held_out import held_out, left_out
from soundmind_pipeline.evaluation.params import EvaluationParams


@pytest.fixture
def index() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "split": ["train", "test", "test", "dev", "test", "test"],
            "uid": ["train/1", "test/1", "test/2", "dev/1", "test/3", "test/4"],
            "label_conflict": [True, False, True, False, True, False],
            "leak_group": ["a", "a", "b", "c", "c", None],
        }
    )


@pytest.mark.parametrize(
    ("asked", "uids"),
    [
        ({}, ["test/1", "test/2", "test/3", "test/4"]),
        ({"max_problems": 2}, ["test/1", "test/2"]),
        ({"exclude_label_conflicts": True}, ["test/1", "test/4"]),
        ({"exclude_leaks": True}, ["test/2", "test/4"]),
        ({"exclude_leaks": True, "exclude_label_conflicts": True}, ["test/4"]),
        ({"exclude_leaks": True, "max_problems": 1, "controls": ()}, ["test/2"]),
        ({"split": "dev"}, ["dev/1"]),
    ],
)
def test_problems_are_chosen_as_asked(index, asked, uids):
    assert held_out(index, EvaluationParams(**asked))["uid"].tolist() == uids


def test_each_problem_is_told_whether_another_split_knows_it(index):
    before = index.copy()
    samples = held_out(index, EvaluationParams())
    assert samples["leaked"].tolist() == [True, False, True, False]
    pd.testing.assert_frame_equal(index, before)


def test_what_is_left_out_is_counted_by_reason(index):
    assert left_out(index, EvaluationParams()) == {}
    both = EvaluationParams(exclude_leaks=True, exclude_label_conflicts=True)
    assert left_out(index, both) == {"label contradicted by the reference": 2, "leak group in another split": 2}


def test_no_problems_is_an_error_that_names_the_key(index):
    with pytest.raises(SoundmindError, match=r"evaluation\.split.*'dev'"):
        held_out(index[index["split"] != "dev"], EvaluationParams(split="dev"))
    with pytest.raises(SoundmindError, match=r"exclude_label_conflicts.*leave no problem of the split 'test'"):
        held_out(index[index["label_conflict"]], EvaluationParams(exclude_label_conflicts=True))

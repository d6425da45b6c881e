import pandas as pd
import pytest

from soundmind_pipeline.problems.selection import excluded_rows, is_leaked, splits_of_group


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "split": ["train", "train", "train", "dev", "test", "test"],
            "leak_group": ["a", "b", None, "b", "c", None],
            "label_conflict": [True, True, False, True, False, True],
        }
    )


def test_a_group_is_leaked_where_it_stands_in_two_splits(table):
    assert splits_of_group(table, "leak_group").tolist() == [1, 2, 1, 2, 1, 1]
    assert is_leaked(table).tolist() == [False, True, False, True, False, False]


def test_rows_are_marked_for_each_reason_that_is_asked_for(table):
    assert excluded_rows(table, "train", label_conflicts=False, leaks=False) == {}
    marked = excluded_rows(table, "train", label_conflicts=True, leaks=True)
    assert [rows.tolist() for rows in marked.values()] == [
        [True, True, False, False, False, False],
        [False, True, False, False, False, False],
    ]
    [(reason, rows)] = excluded_rows(table, "dev", label_conflicts=False, leaks=True).items()
    assert reason == "leak group in another split"
    assert rows.tolist() == [False, False, False, True, False, False]


def test_nothing_is_needed_of_a_table_that_nothing_is_left_out_of():
    assert excluded_rows(pd.DataFrame({"split": ["train"]}), "train", label_conflicts=False, leaks=False) == {}

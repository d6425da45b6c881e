"""Our table 3 and figure 4."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundmind_pipeline.evaluation.lengths import bin_edges, draw_durations, split_statistics


@pytest.fixture
def index():
    """Three splits' worth of rows by hand; only one reference answer was spoken."""
    return pd.DataFrame(
        {
            "split": ["train", "train", "train", "test", "dev"],
            "label": [1, 0, 0, 1, 0],
            "question_tokens": [10, 20, 60, 5, 7],
            "answer_tokens": [100, 100, 400, 50, 70],
            "question_seconds": [2.0, 3.0, 4.0, 1.5, 1.0],
            "answer_seconds": [np.nan, 600.0, np.nan, np.nan, np.nan],
        }
    )


def test_statistics_by_hand(index):
    found = split_statistics(index)
    assert list(found) == ["train", "test", "dev"]
    assert found["train"] == {
        "rows": 3, "entailed": 1, "not_entailed": 2, "question_tokens": 30.0, "answer_tokens": 200.0,
        "question_seconds": 3.0, "answer_seconds": 600.0,
    }  # fmt: skip
    assert found["test"]["answer_seconds"] is None
    without = split_statistics(index[index["split"] != "dev"].drop(columns="answer_tokens"))
    assert list(without) == ["train", "test"]
    assert without["train"]["answer_tokens"] is None


def test_figure_4_has_a_column_a_split_and_a_row_a_label(index):
    drawn = draw_durations(index, "question")
    for panel in ("train, entailed (1)", "train, not entailed (2)", "test, entailed (1)", "dev, not entailed (1)"):
        assert panel in drawn
    answers = draw_durations(index, "answer")
    assert "train, not entailed (1)" in answers and "test" not in answers  # only what was spoken
    assert draw_durations(index.drop(columns="answer_seconds"), "answer") is None
    assert draw_durations(index.head(0), "question") is None
    assert draw_durations(index, "question") == drawn


@given(st.lists(st.floats(0, 1e6) | st.integers(0, 10**6), min_size=1))
def test_bins_hold_every_value(values):
    for width in (None, 60.0):
        edges = bin_edges(values, width)
        assert edges[0] <= min(values) and max(values) < edges[-1] * (1 + 1e-12) + 1e-9
        assert 2 <= len(edges) <= 65


def test_bins_are_minutes_where_that_is_sensible():
    assert bin_edges([61, 200], 60.0) == [60, 120, 180, 240]
    assert bin_edges([0, 100]) == [5.0 * i for i in range(22)]

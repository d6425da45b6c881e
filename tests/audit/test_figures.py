import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmind_pipeline.audit.figures import bin_edges, draw_lengths


@given(st.lists(st.floats(0, 1e6) | st.integers(0, 10**6), min_size=1))
@settings(deadline=None)
def test_bins_hold_every_value(values):
    for width in (None, 60.0):
        edges = bin_edges(values, width)
        assert edges[0] <= min(values) and max(values) < edges[-1] * (1 + 1e-12) + 1e-9
        assert 2 <= len(edges) <= 65


def test_bins_are_minutes_where_that_is_sensible():
    assert bin_edges([61, 200], 60.0) == [60, 120, 180, 240]
    assert bin_edges([0, 100]) == [5.0 * i for i in range(22)]


def test_durations_if_there_are_any_else_words(make_row):
    silent, spoken = [make_row(label=1), make_row(label=0)], [make_row(answer_seconds=500.0)]
    unit, svg = draw_lengths({"dev": silent, "te$st": spoken}, "answer")
    assert unit == "seconds" and "te$st, entailed (1)" in svg and "dev" not in svg
    unit, svg = draw_lengths({"dev": silent}, "answer")
    assert unit == "words" and "dev, not entailed (1)" in svg and "answer length (words)" in svg


@pytest.mark.parametrize("side", ["question", "answer"])
def test_the_same_rows_give_the_same_drawing(make_row, side):
    rows = {"dev": [make_row()]}
    assert draw_lengths(rows, side) == draw_lengths(rows, side)

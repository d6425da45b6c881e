import pytest

from soundmind_pipeline.audit.figures import draw_lengths


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

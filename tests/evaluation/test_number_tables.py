"""How numbers are shown."""

import pytest

from soundmind_pipeline.evaluation.number_tables import Cell, Column, NumberTable, show


@pytest.mark.parametrize(
    ("value", "kind", "digits", "text"),
    [
        (0.8140, "share", 2, "81.40%"),
        (0.0381, "points", 2, "+3.81"),
        (-0.31, "points", 1, "-31.0"),
        (5184, "count", 1, "5,184"),
        (608.42, "number", 2, "608.42"),
        ([0.581, 0.665], "interval", 1, "[58.1, 66.5]"),
        ((-0.05, 0.1), "change_interval", 1, "[-5.0, +10.0]"),
        ("tiny.en", "text", 1, "tiny.en"),
        (None, "share", 1, "–"),
    ],
)
def test_shown(value, kind, digits, text):
    assert show(value, kind, digits) == text


def test_the_interval_of_a_change_carries_signs():
    assert Cell(0.1, "points", 1, (0.02, 0.2)).interval_text == "[+2.0, +20.0]"
    assert Cell(0.1, "share", 1, (0.02, 0.2)).interval_text == "[2.0, 20.0]"
    assert Cell(0.1, "share").interval_text == ""


def test_columns_of_one_source_stand_together():
    columns = (Column("paper", "accuracy"), Column("ours", "accuracy, heard"), Column("ours", "WER"))
    table = NumberTable("table_5", "text → audio", columns, ())
    assert table.groups == [("paper", 1), ("ours", 2)]
    assert table.is_grouped
    assert [column.identifier for column in columns] == ["paper_accuracy", "ours_accuracy_heard", "ours_wer"]
    assert table.heading == "Table 5: text → audio"

"""The table at the end of a run."""

import io

import pytest
from rich.console import Console

from soundmind_pipeline.evaluation.tables import best_shortcut, duration, print_summary, reference_rows, summary_rows


def test_rows_hold_the_evaluations_numbers(evaluation):
    rows = {row[0]: row[1:] for row in summary_rows(evaluation)}
    assert list(rows) == [
        *(f"audio → text {name}" for name in ("accuracy", "reward", "format valid")),
        *(f"text → text {name}" for name in ("accuracy", "reward", "format valid")),
    ]
    before, after, change = rows["audio → text accuracy"]
    assert before.startswith(f"{100 * evaluation['policies']['sft']['audio_to_text']['accuracy']:.1f}% [")
    assert after.startswith(f"{100 * evaluation['policies']['rl']['audio_to_text']['accuracy']:.1f}% [")
    assert change.startswith(f"{100 * evaluation['paired']['audio_to_text']['difference']:+.1f} [")


def test_a_missing_policy_leaves_no_row(evaluation):
    assert summary_rows({**evaluation, "policies": {"rl": evaluation["policies"]["rl"]}}) == []


def test_best_shortcut(evaluation):
    assert best_shortcut(evaluation) == ("connective_and_signs", 0.62)
    assert best_shortcut({"shortcuts": {}}) is None
    assert ("best shortcut (connective and signs)", "62.0%") in reference_rows(evaluation)


@pytest.mark.parametrize(("seconds", "text"), [(7.6, "8 s"), (59.7, "1 min 00 s"), (125, "2 min 05 s"), (0, "0 s")])
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_summary_says_how_long_it_took_and_where_things_are(evaluation):
    out = io.StringIO()
    timed = {**evaluation, "seconds": {"sft": 130.2, "rl": 61.0}}
    print_summary(Console(file=out, width=140), timed, {"report": "data/08_reporting/report.html"})
    text = out.getvalue()
    assert "Held-out problems: 60" in text
    assert "sft 2 min 10 s, rl 1 min 01 s; together 3 min 11 s" in text
    assert "data/08_reporting/report.html" in text
    for row in summary_rows(evaluation):
        assert all(cell in text for cell in row)

"""The table at the end of a run."""

import io

import pytest
from rich.console import Console

from soundmind_pipeline.evaluation.tables import best_shortcut, duration, print_summary, reference_rows, summary_rows


def test_rows_hold_the_evaluations_numbers(evaluation):
    rows = summary_rows(evaluation)
    below = ["  reward", "  format valid"]
    assert [row[0] for row in rows] == ["audio → text", *below, "text → text", *below]
    _, before, after, change = rows[0]
    assert before.startswith(f"{100 * evaluation['policies']['sft']['audio_to_text']['accuracy']:.1f}% [")
    assert after.startswith(f"{100 * evaluation['policies']['rl']['audio_to_text']['accuracy']:.1f}% [")
    assert change.startswith(f"{100 * evaluation['paired']['audio_to_text']['difference']:+.1f} [")


def test_spoken_settings_say_what_is_heard(whole_evaluation):
    rows = summary_rows(whole_evaluation)
    place = next(i for i, row in enumerate(rows) if row[0] == "text → audio")
    spoken = whole_evaluation["policies"]["rl"]["text_to_audio"]["spoken"]
    heard, errors = rows[place + 1], rows[place + 2]
    assert heard[0] == "  heard" and heard[2].startswith(f"{100 * spoken['accuracy_heard']['accuracy']:.1f}% [")
    assert errors == ("  word error rate", "3.1%", "2.1%", "-1.0")


def test_what_an_accuracy_is_read_against(whole_evaluation):
    rows = dict(reference_rows(whole_evaluation))
    gap, silence = whole_evaluation["audio_grounding_gap"], whole_evaluation["controls"]["silence"]["accuracy"]
    assert rows["audio grounding gap"] == f"{100 * gap:+.1f} [+10, +40]; on silence {100 * silence:.1f}%"
    assert rows["after RL, in noise"].startswith("20 dB ") and rows["after RL, in noise"].count("dB") == 3
    assert "another voice" in rows["after RL, hearing"]
    assert rows["after RL, sampled"] == "pass@8 90.0%, majority@1 55.0%"
    assert "cascade: tiny.en + rl" in rows["baselines, from audio"]


def test_the_summary_fits_a_terminal(whole_evaluation):
    out = io.StringIO()
    timed = {**whole_evaluation, "seconds": {"ingestion": 25.0, "sft": 247.0, "rl": 61.0, "evaluation": 180.0}}
    places = {name: f"data/08_reporting/{name}" for name in ("report", "evaluation", "SFT policy", "RL policy", "run")}
    print_summary(Console(file=out, width=80), timed, places)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 36
    assert "Held-out problems: 60, 60 of them answered aloud" in lines[0]


def test_a_missing_policy_leaves_no_row(evaluation):
    assert summary_rows({**evaluation, "policies": {"rl": evaluation["policies"]["rl"]}}) == []


def test_best_shortcut(evaluation):
    assert best_shortcut(evaluation) == ("connective_and_signs", 0.62)
    assert best_shortcut({"shortcuts": {}}) is None
    assert ("best shortcut", "62.0% (connective and signs)") in reference_rows(evaluation)


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
        assert all(cell.strip() in text for cell in row)

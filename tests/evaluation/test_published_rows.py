"""Rows as published: no logical form, sometimes no triplet and no verdict in the reference."""

import json

import pandas as pd
import pytest

from soundmind_pipeline.evaluation.examples import choose_examples
from soundmind_pipeline.evaluation.marking import mark
from soundmind_pipeline.evaluation.metrics import assemble, flat_metrics, form_table, summarise
from soundmind_pipeline.evaluation.tables import summary_rows
from soundmind_pipeline.problems.schema import CONSTRUCTED_COLUMNS, SAMPLE_DTYPES
from soundmind_pipeline.problems.shortcuts import shortcut_accuracies
from soundmind_pipeline.rewards.params import RewardParams
from soundmind_pipeline.rewards.scorer import Scorer

ROWS = 12


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    rows = []
    for number in range(ROWS):
        verdict = ("entailed", "not entailed", None)[number % 3]
        rows.append(
            dict.fromkeys([*CONSTRUCTED_COLUMNS, "major_premise", "minor_premise", "conclusion"])
            | {
                "uid": f"test/{number:04d}",
                "user_content": f"Does claim {number} follow?",
                "reference_answer": f"<think> so. </think> Answer: {verdict}." if verdict else "I cannot tell.",
                "reference_verdict": verdict,
                "label": number % 2,
                "label_conflict": verdict is not None and (verdict == "entailed") != (number % 2 == 1),
                "leaked": number == 0,
                "question_seconds": 50.0 + number,
                "answer_seconds": 480.0 + 20 * number,
            }
        )
    frame = pd.DataFrame(rows)
    return frame.astype({name: kind for name, kind in SAMPLE_DTYPES.items() if name in frame})


@pytest.fixture(scope="module")
def answers(published) -> pd.DataFrame:
    """Two policies: one always says "entailed", the other knows better half of the time and once breaks its format."""
    scorer, rows = Scorer(RewardParams()), []
    for policy in ("sft", "rl"):
        for setting in ("audio_to_text", "text_to_text"):
            for place, record in enumerate(published.to_dict("records")):
                verdict = "not entailed" if policy == "rl" and place % 4 == 0 else "entailed"
                response = "no answer" if place == 7 else f"<think> well. </think> Answer: {verdict}."
                answer = {"response": response, "tokens": 5, "finished": True}
                origin = {"policy": policy, "setting": setting, "control": "none", "heard_uid": record["uid"]}
                rows.append(origin | mark(record, answer, scorer))
    return pd.DataFrame(rows)


def test_an_answer_is_scored_but_its_reasoning_is_not_judged(published):
    scorer = Scorer(RewardParams())
    answer = {"response": published.at[0, "reference_answer"], "tokens": 5, "finished": True}
    marked = mark(published.to_dict("records")[0], answer, scorer)
    assert (marked["verdict"], marked["right"]) == ("entailed", False)
    for column in ("restated", "reasoning_valid", "reasoning_correct", "form", "family", "difficulty"):
        assert marked[column] is None


def test_figures_leave_out_what_cannot_be_known(answers):
    rows = answers[(answers["policy"] == "sft") & (answers["setting"] == "audio_to_text")]
    figures = summarise(rows)
    assert (figures["n"], figures["accuracy"]) == (ROWS, 5 / 12)
    assert figures["format_valid"] == 11 / 12
    assert [figures[key] for key in ("heard", "reasoning_valid_when_right", "reasoning_correct_when_right")] == [
        None
    ] * 3
    assert figures["by_form"] == {}
    assert figures["leak_free"]["n"] == 11
    assert figures["by_difficulty"] == {}
    json.dumps(figures, allow_nan=False)


def test_a_known_form_among_unknown_ones_is_reported_alone(answers, prediction):
    rows = answers[(answers["policy"] == "sft") & (answers["setting"] == "audio_to_text")]
    figures = summarise(pd.concat([rows, pd.DataFrame([prediction("test/x", restated=False)])]))
    assert set(figures["by_form"]) == {"MP"}
    assert figures["heard"] == 0.0


def test_tables_figures_and_report_are_made(answers, published, render, tmp_path):
    evaluation = assemble(answers, {"prior": 0.5}, 200, seed=0)
    json.dumps(evaluation, allow_nan=False)
    assert form_table(evaluation).empty
    assert list(form_table(evaluation).columns)[:3] == ["policy", "setting", "form"]
    assert flat_metrics(evaluation)["gain"].keys() == {"audio_to_text", "text_to_text"}
    assert len(summary_rows(evaluation)) == 6
    answers.to_parquet(tmp_path / "predictions.parquet")
    again = pd.read_parquet(tmp_path / "predictions.parquet")
    assert assemble(again, {"prior": 0.5}, 200, seed=0) == evaluation
    examples = choose_examples(again, published, dict.fromkeys(published["uid"], [0.0] * 100), 4)
    assert len(examples) == 4
    assert {(example.form, example.before.restated) for example in examples} == {("", None)}
    page = render(evaluation, answers, examples)
    assert 'data-key="policies.rl.audio_to_text.leak_free.accuracy"' in page
    for absent in ("By form", "misheard", 'audio_to_text.heard"', "nan", "fallacies"):
        assert absent not in page


def test_shortcuts_are_those_that_need_no_logical_form(published):
    accuracies = shortcut_accuracies(published, published)
    assert set(accuracies) == {"prior", "question_bigrams", "sampled_teacher"}
    assert accuracies["prior"] == 0.5
    told = published[published["reference_verdict"].notna()]
    assert accuracies["sampled_teacher"] == 1 - told["label_conflict"].mean()
    silent = published.assign(reference_verdict=None, major_premise="All is one.")
    assert set(shortcut_accuracies(silent, silent)) == {
        "prior", "question_bigrams", "major_bigrams", "premises_bigrams",
    }  # fmt: skip

"""Figures of a handful of predictions, worked by hand."""

import json

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from soundmind_pipeline.evaluation.metrics import accuracy, assemble, flat_metrics, form_table, summarise


@pytest.fixture
def ten(prediction):
    """Ten answers of one policy: seven right, one badly formed whose verdict would have been right."""
    rows = [prediction(f"test/{i}", right=True, form="MP", reward=4.0, reward_answer=2.0) for i in range(5)]
    rows += [prediction(f"test/{i}", right=True, form="AC", reward=3.0, restated=False, reasoning_valid=False,
                        reasoning_correct=False) for i in (5, 6)]  # fmt: skip
    rows += [prediction(f"test/{i}", right=False, form="AC", reward=2.0, label_conflict=True) for i in (7, 8)]
    rows[0]["leaked"] = rows[7]["leaked"] = rows[8]["leaked"] = True
    rows.append(
        prediction("test/9", right=False, form="AC", verdict=None, reason="no_marker", right_lenient=True,
                   format_valid=False, finished=False, reward=0.0, tokens=30, restated=False)
    )  # fmt: skip
    return pd.DataFrame(rows)


def test_summary_by_hand(ten):
    figures = summarise(ten)
    assert (figures["accuracy"], figures["n"]) == (0.7, 10)
    assert figures["ci95"] == pytest.approx(proportion_confint(7, 10, method="wilson"))
    assert figures["accuracy_lenient"] == 0.8
    assert figures["format_valid"] == 0.9
    assert figures["reward"] == pytest.approx((5 * 4 + 2 * 3 + 2 * 2 + 0) / 10)
    assert figures["reward_terms"]["answer"] == 1.0
    assert figures["heard"] == 0.7
    assert figures["reasoning_valid_when_right"] == pytest.approx(5 / 7)
    assert figures["tokens"] == 12.0
    assert figures["truncated"] == 0.1
    assert figures["verdicts"] == {"entailed": 7, "not entailed": 2, "none": 1}
    assert figures["by_form"]["MP"]["accuracy"] == 1.0
    assert (figures["by_form"]["AC"]["accuracy"], figures["by_form"]["AC"]["n"]) == (0.4, 5)
    assert figures["by_form"]["AC"]["heard"] == 0.4
    assert (figures["conflict_free"]["accuracy"], figures["conflict_free"]["n"]) == (7 / 8, 8)
    assert (figures["leak_free"]["accuracy"], figures["leak_free"]["n"]) == (6 / 7, 7)


def test_no_answers_have_no_accuracy():
    assert accuracy([]) == {"accuracy": None, "n": 0, "ci95": None}


def test_pairs_are_matched_by_problem_whatever_the_order(prediction):
    before = {"a": True, "b": False, "c": False, "d": True, "e": False}
    after = {"e": True, "d": False, "c": True, "b": False, "a": True}
    rows = [prediction(uid, right) for uid, right in before.items()]
    rows += [prediction(uid, right, policy="rl") for uid, right in after.items()]
    paired = assemble(pd.DataFrame(rows), {}, 500, seed=0)["paired"]["audio_to_text"]
    assert (paired["gained"], paired["lost"], paired["n"]) == (2, 1, 5)
    assert paired["difference"] == pytest.approx(0.2)
    assert paired["p"] == 1.0
    assert paired["ci95"][0] <= 0.2 <= paired["ci95"][1]


def test_controls_are_the_final_policys_and_their_gap_is_to_its_own_audio(prediction):
    rows = [prediction(f"{i}", right=i < 8, policy="rl") for i in range(10)]
    rows += [prediction(f"{i}", right=i < 1, policy="sft") for i in range(10)]
    rows += [
        prediction(f"{i}", right=i < 3, policy="rl", control="silence", format_valid=i < 5,
                   verdict="entailed" if i < 3 else "not entailed" if i < 5 else None, label=i % 2)
        for i in range(10)
    ]  # fmt: skip
    evaluation = assemble(pd.DataFrame(rows), {}, 500, seed=0)
    silence = evaluation["controls"]["silence"]
    assert (silence["accuracy"], silence["format_valid"]) == (0.3, 0.5)
    assert silence["gap"] == pytest.approx(0.5)
    assert evaluation["audio_grounding_gap"] == pytest.approx(0.5)
    assert silence["chance"] == pytest.approx(0.3 * 0.5 + 0.2 * 0.5)
    assert "shuffled" not in evaluation["controls"]
    assert evaluation["label_prior"] == 1.0  # the rows with audio all carry label 1


def test_stable_keys(evaluation):
    for policy in ("sft", "rl"):
        for setting in ("audio_to_text", "text_to_text"):
            assert {"accuracy", "n", "ci95", "format_valid", "reward"} <= set(evaluation["policies"][policy][setting])
    for setting in ("audio_to_text", "text_to_text"):
        assert {"difference", "ci95"} <= set(evaluation["paired"][setting])
    assert {control: set(cell) >= {"accuracy"} for control, cell in evaluation["controls"].items()} == {
        "silence": True,
        "shuffled": True,
    }
    assert evaluation["shortcuts"] == {"prior": 0.55, "connective_and_signs": 0.62}
    assert evaluation["teacher"] == {"natural_claim": 0.6, "sampled_teacher": 0.7}
    assert evaluation["seconds"] == {}


def test_it_survives_json(evaluation):
    assert json.loads(json.dumps(evaluation, allow_nan=False)) == evaluation


def test_reward_terms_add_up_to_the_reward(evaluation):
    for settings in evaluation["policies"].values():
        for figures in settings.values():
            assert sum(figures["reward_terms"].values()) == pytest.approx(figures["reward"])


def test_a_policy_that_slips_less_gains_on_fallacies_only(evaluation):
    forms = {name: evaluation["policies"][name]["text_to_text"]["by_form"] for name in ("sft", "rl")}
    assert forms["sft"]["MP"]["accuracy"] == forms["rl"]["MP"]["accuracy"] == 1.0
    assert forms["rl"]["AC"]["accuracy"] > forms["sft"]["AC"]["accuracy"]


def test_the_small_file_repeats_the_large_one(evaluation):
    flat = flat_metrics(evaluation)
    assert flat["rl"]["audio_to_text"] == {
        name: evaluation["policies"]["rl"]["audio_to_text"][name] for name in ("accuracy", "format_valid", "reward")
    }
    assert flat["gain"]["text_to_text"] == evaluation["paired"]["text_to_text"]["difference"]
    assert flat["controls"]["shuffled"] == evaluation["controls"]["shuffled"]["accuracy"]


def test_form_table_has_one_row_a_policy_setting_and_form(evaluation):
    table = form_table(evaluation)
    forms = set(evaluation["policies"]["rl"]["audio_to_text"]["by_form"])
    assert len(table) == 2 * 2 * len(forms)
    row = table[(table["policy"] == "rl") & (table["setting"] == "audio_to_text") & (table["form"] == "AC")].iloc[0]
    assert row["accuracy"] == evaluation["policies"]["rl"]["audio_to_text"]["by_form"]["AC"]["accuracy"]
    assert row["low"] <= row["accuracy"] <= row["high"]

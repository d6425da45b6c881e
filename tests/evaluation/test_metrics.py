"""Figures of a handful of predictions, worked by hand."""

import json

import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.metrics import assemble, flat_metrics, form_table, headline
from soundmind_pipeline.evaluation.summaries import accuracy, duration_edges, summarise


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


def test_confusion_and_difficulty_by_hand(prediction):
    rows = [prediction("a", True, difficulty=1), prediction("b", False, difficulty=1)]  # label 1
    rows += [prediction("c", True, difficulty=3, label=0, verdict="not entailed")]
    rows += [prediction("d", False, difficulty=3, label=0, verdict=None), prediction("e", True, difficulty=None)]
    figures = summarise(pd.DataFrame(rows))
    assert figures["confusion"] == {
        "entailed": {"entailed": 2, "not entailed": 1, "none": 0},
        "not entailed": {"entailed": 0, "not entailed": 1, "none": 1},
    }
    assert {level: (cell["accuracy"], cell["n"]) for level, cell in figures["by_difficulty"].items()} == {
        "1": (0.5, 2),
        "3": (0.5, 2),
    }


def test_lengths_are_compared_with_the_references_own(prediction):
    rows = [
        prediction("a", reasoning_tokens=10, reference_tokens=20),
        prediction("b", reasoning_tokens=60, reference_tokens=40),
    ]
    rows.append(prediction("c", reasoning_tokens=7, reference_tokens=0))  # a reference without reasoning
    assert summarise(pd.DataFrame(rows))["length_ratio"] == pytest.approx((0.5 + 1.5) / 2)


def test_bins_of_duration_hold_a_quarter_each_and_their_labels_are_their_edges(prediction):
    seconds = [2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.2, 3.4]
    edges = duration_edges(pd.Series(seconds))
    assert edges == pytest.approx([2.0, 2.4, 2.7, 3.0, 3.4])  # quartiles 2.35, 2.7 and 3.05, rounded
    rows = pd.DataFrame([prediction(str(i), i % 2 == 0, question_seconds=s) for i, s in enumerate(seconds)])
    cells = summarise(rows, edges)["by_duration"]
    assert {label: (cell["n"], cell["accuracy"]) for label, cell in cells.items()} == {
        "2.0–2.4 s": (2, 0.5),
        "2.4–2.7 s": (2, 0.5),
        "2.7–3.0 s": (1, 1.0),
        "3.0–3.4 s": (3, pytest.approx(1 / 3)),
    }


def test_long_durations_are_in_minutes_and_close_ones_share_a_bin(prediction):
    assert duration_edges(pd.Series([480.0, 540.0, 600.0, 660.0, 720.0])) == [480.0, 540.0, 600.0, 660.0, 720.0]
    rows = [prediction(str(i), answer_seconds=s) for i, s in enumerate([480.0, 599.0, 720.0, None])]
    cells = summarise(pd.DataFrame(rows), answer_edges=[480.0, 600.0, 720.0])["by_answer_duration"]
    assert {label: cell["n"] for label, cell in cells.items()} == {"8.0–10.0 min": 2, "10.0–12.0 min": 1}
    assert duration_edges(pd.Series([3.01, 3.02, 3.03, 3.04])) == pytest.approx([3.0, 3.1])
    assert duration_edges(pd.Series([3.0, 3.0])) == [3.0, 3.0]
    assert duration_edges(pd.Series([None, None], dtype=object)) == []
    alike = summarise(pd.DataFrame([prediction("a"), prediction("b")]), [3.0, 3.0])["by_duration"]
    assert {label: cell["n"] for label, cell in alike.items()} == {"3.0–3.0 s": 2}


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


def test_grounding_is_paired_by_problem(prediction):
    heard = {f"{i}": i < 16 for i in range(20)}
    silent = {f"{i}": i in (0, 1, 2, 17, 18) for i in range(19)}  # one problem less
    rows = [prediction(uid, right, policy="rl") for uid, right in heard.items()]
    rows += [prediction(uid, right, policy="rl", control="silence") for uid, right in silent.items()]
    rows += [prediction(uid, True, policy="sft", control="silence") for uid in heard]  # another policy's
    evaluation = assemble(pd.DataFrame(rows).sample(frac=1, random_state=0), {}, 2000, seed=0)
    grounding = evaluation["audio_grounding"]
    assert grounding["n"] == 19
    assert grounding["gap"] == evaluation["audio_grounding_gap"] == pytest.approx(16 / 19 - 5 / 19)
    assert grounding["p"] == pytest.approx(mcnemar([[3, 13], [2, 1]], exact=True).pvalue)
    assert grounding["ci95"][0] < grounding["gap"] < grounding["ci95"][1]
    without = assemble(pd.DataFrame(rows[:20]), {}, 200, seed=0)
    assert (without["audio_grounding"], without["audio_grounding_gap"]) == (None, None)
    assert "audio_grounding_gap" not in flat_metrics(without)


def test_baselines_stand_apart_and_are_measured_against_the_final_policy(prediction):
    rows = [prediction(f"{i}", i < 9, policy="rl") for i in range(10)] + [prediction("0", policy="sft")]
    label_only = dict.fromkeys(("response", "tokens", "finished", "reward", "reasoning_tokens", "restated"))
    rows += [prediction(f"{i}", i in (0, 9), policy="majority", **label_only) for i in range(10)]
    rows += [prediction("0", policy="cascade", setting="text_to_text")]
    evaluation = assemble(pd.DataFrame(rows), {}, 500, seed=0)
    assert set(evaluation["policies"]) == {"rl", "sft"}
    majority = evaluation["baselines"]["majority"]["audio_to_text"]
    assert (majority["accuracy"], majority["reward"], majority["tokens"], majority["truncated"]) == (
        0.2,
        None,
        None,
        None,
    )
    against = majority["against_rl"]
    assert (against["gained"], against["lost"], against["n"]) == (8, 1, 10)
    assert against["difference"] == pytest.approx(0.7)
    assert evaluation["baselines"]["cascade"]["text_to_text"]["against_rl"] == {}  # RL has not read it
    assert set(evaluation["paired"]) == {"audio_to_text"}
    assert flat_metrics(evaluation)["baselines"]["majority"] == {"audio_to_text": 0.2}


def test_another_run_is_compared_setting_by_setting(prediction):
    ours = [
        prediction(f"{i}", i < 9, policy="rl", setting=s) for i in range(10) for s in ("audio_to_text", "text_to_text")
    ]
    other = [prediction(f"{i}", i < 6, policy="rl") for i in range(2, 12)]
    other += [prediction(f"{i}", False, policy="rl", control="silence") for i in range(10)]
    evaluation = assemble(pd.DataFrame(ours), {}, 500, seed=0, others={"a.parquet": pd.DataFrame(other)})
    test = evaluation["compared"]["a.parquet"]["rl"]
    assert set(test) == {"audio_to_text"}
    assert (test["audio_to_text"]["gained"], test["audio_to_text"]["lost"], test["audio_to_text"]["n"]) == (3, 0, 8)


def test_several_answers_to_a_problem_are_no_more_problems(prediction):
    once = pd.DataFrame([prediction(uid, policy="rl") for uid in "ab"])
    drawn = pd.concat([once, once])  # what compare_with or --predictions finds in sampled_predictions.parquet
    with pytest.raises(
        SoundmindError, match=r"The predictions: rl answers a more than once \(audio_to_text, control none"
    ):
        assemble(drawn, {}, 100, seed=0)
    with pytest.raises(SoundmindError, match=r"drawn\.parquet: rl answers a more than once"):
        assemble(once, {}, 100, seed=0, others={"drawn.parquet": drawn})


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
    assert flat["audio_grounding_gap"] == evaluation["audio_grounding"]["gap"]
    spoken = {"wer": 0.1, "accuracy_heard": {"accuracy": 0.8, "n": 10, "ci95": [0.5, 0.9]}}
    figures = evaluation["policies"]["rl"]["audio_to_text"]
    assert headline(figures | {"spoken": spoken}) == headline(figures) | {"wer": 0.1, "accuracy_heard": 0.8}
    assert "wer" not in headline(figures | {"spoken": spoken | {"wer": None}})


def test_form_table_has_one_row_a_policy_setting_and_form(evaluation):
    table = form_table(evaluation)
    forms = set(evaluation["policies"]["rl"]["audio_to_text"]["by_form"])
    assert len(table) == 2 * 2 * len(forms)
    row = table[(table["policy"] == "rl") & (table["setting"] == "audio_to_text") & (table["form"] == "AC")].iloc[0]
    assert row["accuracy"] == evaluation["policies"]["rl"]["audio_to_text"]["by_form"]["AC"]["accuracy"]
    assert row["low"] <= row["accuracy"] <= row["high"]


def test_a_baseline_of_a_few_problems_has_the_bins_of_all(prediction):
    rows = [prediction(f"test/{i}", policy="rl", question_seconds=float(i)) for i in range(9)]
    rows += [prediction(f"test/{i}", policy="cascade", question_seconds=float(i)) for i in range(3)]
    evaluation = assemble(pd.DataFrame(rows), {}, 100, seed=0)
    of_all = evaluation["policies"]["rl"]["audio_to_text"]["by_duration"]
    assert set(evaluation["baselines"]["cascade"]["audio_to_text"]["by_duration"]) == set(list(of_all)[:2])

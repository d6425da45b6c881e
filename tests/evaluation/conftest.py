"""Made-up answers to real problems: what a policy's predictions look like, without a policy."""

import random

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.evaluation.examples import choose_examples
from soundmind_pipeline.evaluation.marking import REWARD_TERMS, mark
from soundmind_pipeline.evaluation.metrics import assemble
from soundmind_pipeline.evaluation.paper_tables import table_files
from soundmind_pipeline.evaluation.report import Inputs, render_report
from soundmind_pipeline.evaluation.slice_figures import figure_files
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.verified.families import Problem
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.problems.verified.teacher import write_proof
from soundmind_pipeline.rewards.params import RewardParams
from soundmind_pipeline.rewards.scorer import Scorer


def _prediction(uid="test/0001", right=True, policy="sft", setting="audio_to_text", control="none", **changes):
    """One row of the predictions table, right or wrong, well formed unless told otherwise."""
    row = {
        "policy": policy, "setting": setting, "control": control, "heard_uid": uid, "uid": uid, "label": 1,
        "label_conflict": False, "leaked": False, "family": "if_then", "form": "MP", "claim_kind": "natural",
        "difficulty": 1, "question_seconds": 3.0, "answer_seconds": None, "reference_tokens": 20,
        "response": "<think> so. </think> Answer: entailed.", "tokens": 10, "finished": True, "reasoning_tokens": 10,
        "verdict": "entailed" if right else "not entailed", "reason": None, "right": right, "right_lenient": right,
        "format_valid": True, "reward": 4.0 if right else 2.0, **{f"reward_{term}": 0.0 for term in REWARD_TERMS},
        "restated": True, "reasoning_valid": True, "reasoning_correct": right,
    }  # fmt: skip
    return row | changes


@pytest.fixture(scope="session")
def prediction():
    """A function that makes one row of the predictions table."""
    return _prediction


def simulate(samples, policy, setting, control="none", slips=0.0, mishears=0.0, breaks=0.0, seed=0):
    """Predictions of a policy that slips on fallacies, mishears names and breaks its format at the given rates."""
    rng = random.Random(f"{seed}/{policy}/{setting}/{control}")
    scorer, rows = Scorer(RewardParams()), []
    for record in samples.to_dict("records"):
        problem = Problem.from_json(record["problem"])
        drew = not problem.is_fallacy or rng.random() < slips
        response = write_proof(problem, drew).response
        if control == "silence" and rng.random() < 0.5:
            response = response.replace("not entailed", "entailed")
        if rng.random() < mishears:
            response = response.replace(problem.atoms[0].name, "peter")
        if rng.random() < breaks:
            response = response.replace("Answer:", "")
        answer = {"response": response, "tokens": len(response.split()), "finished": True}
        origin = {"policy": policy, "setting": setting, "control": control, "heard_uid": record["uid"]}
        rows.append(origin | mark(record, answer, scorer))
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def samples():
    """Sixty held-out problems with the columns of the feature index that evaluation reads."""
    frame = generate_samples(VerifiedParams(counts=SplitCounts(train=60, dev=1, test=60)))
    return (
        frame[frame["split"] == "test"]
        .assign(question_seconds=3.0, answer_seconds=None, leaked=False)
        .reset_index(drop=True)
    )


@pytest.fixture(scope="session")
def predictions(samples):
    """Both policies under every condition; RL mends most slips and mishears a little more."""
    return pd.concat(
        [
            simulate(samples, "sft", "audio_to_text", slips=0.8, mishears=0.3, breaks=0.03),
            simulate(samples, "sft", "text_to_text", slips=0.7),
            simulate(samples, "rl", "audio_to_text", slips=0.15, mishears=0.35),
            simulate(samples, "rl", "text_to_text", slips=0.05),
            simulate(samples, "rl", "audio_to_text", "silence", slips=0.5, breaks=0.4),
            simulate(samples, "rl", "audio_to_text", "shuffled", slips=0.9, mishears=0.9),
        ],
        ignore_index=True,
    )


@pytest.fixture(scope="session")
def evaluation(predictions):
    """What ``evaluation.json`` would hold."""
    classifiers = {"prior": 0.55, "connective_and_signs": 0.62, "natural_claim": 0.6, "sampled_teacher": 0.7}
    return assemble(predictions, classifiers, bootstrap_samples=500, seed=0)


@pytest.fixture(scope="session")
def histories():
    """Learning curves of SFT and RL."""
    rng = np.random.default_rng(0)
    steps = np.arange(1, 61)
    sft = pd.DataFrame({"step": steps, "sft/loss": 3 / steps**0.5, "sft/ctc": 4 / steps + rng.normal(0, 0.02, 60)})
    sft.loc[20:40, "sft/ctc"] = np.nan  # a phase without audio
    rl = pd.DataFrame(
        {
            "step": steps,
            "reward/total": 3 + steps / 100 + rng.normal(0, 0.1, 60),
            "reward/answer": 1 + steps / 120 + rng.normal(0, 0.1, 60),
            "reward/format_text": 0.97 + rng.normal(0, 0.01, 60),
            "reward/length_text": 0.95 + rng.normal(0, 0.01, 60),
            "policy/kl": steps / 4000,
            "policy/entropy": 0.06 - steps / 3000,
            "rollout/length": 33 + rng.normal(0, 0.3, 60),
            "eval/dev/audio_to_text/accuracy": np.where(steps % 10 == 0, 0.6 + steps / 300, np.nan),
            "eval/dev/text_to_text/accuracy": np.where(steps % 10 == 0, 0.7 + steps / 300, np.nan),
        }
    )
    return sft, rl


@pytest.fixture(scope="session")
def waves(samples):
    """A short tone for every problem."""
    tone = np.sin(np.arange(1600) / 10).astype(np.float32) * 0.3
    return dict.fromkeys(samples["uid"], tone)


def _spoken_cell(cell, wer):
    """Figures of a setting whose answers were spoken, a little worse heard than written."""
    heard = {"accuracy": cell["accuracy"] - 0.05, "n": cell["n"], "ci95": [cell["accuracy"] - 0.2, cell["accuracy"]]}
    return cell | {
        "spoken": {
            "wer": wer, "cer": wer / 3, "words": 1234, "substitutions": 31, "deletions": 12, "insertions": 7,
            "accuracy_heard": heard, "heard_as_written": 0.96, "heard_as_written_ci95": [0.9, 0.99],
            "not_well_spoken": 0.02, "speech_seconds": 14.2, "second": None, "speaker": "piper en_US-lessac",
            "recogniser": "tiny.en",
        }
    }  # fmt: skip


@pytest.fixture(scope="session")
def whole_evaluation(evaluation):
    """An ``evaluation.json`` with everything in it: every setting and control, samples, baselines, another run."""
    policies = {}
    for i, (policy, settings) in enumerate(evaluation["policies"].items()):
        heard, read = settings["audio_to_text"], settings["text_to_text"]
        spoken = {"text_to_audio": _spoken_cell(read, 0.031 - i / 100), "audio_to_audio": _spoken_cell(heard, 0.042)}
        bins = {"by_duration": {"2.1–3.0 s": heard["conflict_free"], "10.0–12.5 s": heard["leak_free"]}}
        policies[policy] = {**settings, "audio_to_text": heard | bins, "audio_text_to_text": read, **spoken}
    silence, shuffled = (evaluation["controls"][name] for name in ("silence", "shuffled"))
    loud = ("noise_20db", "noise_10db", "noise_0db", "other_voice", "slower", "faster")
    paired = evaluation["paired"]["audio_to_text"]
    curve = {k: {"value": 0.5 + int(k) / 20, "ci95": [0.4 + int(k) / 20, 0.6 + int(k) / 20]} for k in "1248"}
    cell = {"n": 8, "temperature": 1.0, "problems": 60, "pass_at": curve, "majority_at": {"1": curve["1"]}}
    baseline = evaluation["policies"]["sft"]["audio_to_text"] | {"against_rl": paired}
    return {
        **evaluation,
        "policies": policies,
        "paired": evaluation["paired"]
        | dict.fromkeys(("audio_text_to_text", "text_to_audio", "audio_to_audio"), paired),
        "controls": dict.fromkeys(loud, shuffled) | {"shuffled": shuffled, "silence": silence},
        "audio_grounding": {"gap": silence["gap"], "ci95": [0.1, 0.4], "p": 1e-5, "n": 60},
        "audio_grounding_gap": silence["gap"],
        "sampled": {policy: {"audio_to_text": cell, "text_to_text": cell} for policy in policies},
        "baselines": {"majority": {"audio_to_text": baseline}, "cascade: tiny.en + rl": {"audio_to_text": baseline}},
        "compared": {"before v0.2/predictions": {"rl": {"audio_to_text": paired}}},
    }


@pytest.fixture(scope="session")
def ablation():
    """An ``ablation.json``: two arms of the paper's four, one of them its own, and a finding of each kind."""

    def arm(row, label, accuracy, against):
        seeds = {str(seed): {"audio_to_text": {"accuracy": accuracy}} for seed in range(3)}
        mean = {"audio_to_text": {"accuracy": accuracy}}
        ci95 = [accuracy - 0.02, accuracy + 0.02]
        return {"row": row, "label": label, "seeds": seeds, "mean": mean, "ci95": ci95} | against

    worse = {"against_full": {"difference": -0.31, "ci95": [-0.36, -0.27], "p": 1e-9}}
    claims = [("The answer reward matters most.", True), ("Audio rewards help.", False), ("Length helps.", None)]
    return {
        "problems": 400,
        "arms": {
            "full": arm("full", "full", 0.93, {}),
            "no_answer": arm("no_answer", "without the answer reward", 0.62, worse),
            "half_answer": arm(None, "half the answer reward", 0.85, {"against_full": None}),
        },
        "findings": [{"claim": claim, "paper": 0.6, "ours": 0.62, "reproduces": holds, "why": "because & so"}
                     for claim, holds in claims],
    }  # fmt: skip


@pytest.fixture(scope="session")
def spoken_predictions(predictions):
    """The predictions, with spoken answers to the first twenty problems heard."""
    heard = predictions[(predictions["setting"] == "audio_to_text") & (predictions["control"] == "none")]
    some = heard[heard["uid"].isin(heard["uid"].unique()[:20])]
    spoken = some.assign(
        setting="audio_to_audio", answer_audio="clips/" + some["policy"] + "/" + some["uid"] + ".wav",
        transcript="so he said: answer " + some["verdict"].fillna("nothing"), right_heard=some["right"],
    )  # fmt: skip
    return pd.concat([predictions, spoken], ignore_index=True)


@pytest.fixture(scope="session")
def render(samples, histories):
    """A function that renders a report with everything an evaluation and its examples can put into it."""

    def make(evaluation, predictions, examples, ablation=None, answers=None):
        index = samples.assign(question_tokens=18, answer_tokens=50)
        figures = figure_files(evaluation, predictions, *histories)
        tables = table_files(evaluation, index, ablation)
        settings = {"rl": {"rl.steps": 30, "rl.note": "<b>&"}}
        return render_report(Inputs(evaluation, figures, tables, examples, settings, ablation, answers))

    return make


@pytest.fixture(scope="session")
def whole_report(render, whole_evaluation, spoken_predictions, samples, waves, ablation):
    """The report of ``whole_evaluation``: nothing left out."""
    long = np.tile(waves[samples.at[0, "uid"]], 80)  # eight seconds, hence not WAV
    examples = choose_examples(spoken_predictions, samples, waves, 8, read_clip=lambda path: long)
    return render(whole_evaluation, spoken_predictions, examples, ablation)

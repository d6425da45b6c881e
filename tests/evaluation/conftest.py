"""Made-up answers to real problems: what a policy's predictions look like, without a policy."""

import random

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.evaluation.metrics import REWARD_TERMS, assemble
from soundmind_pipeline.evaluation.predict import mark
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
        "difficulty": 1, "response": "<think> so. </think> Answer: entailed.", "tokens": 10, "finished": True,
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
    return frame[frame["split"] == "test"].assign(question_seconds=3.0, leaked=False).reset_index(drop=True)


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

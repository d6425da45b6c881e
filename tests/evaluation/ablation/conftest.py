"""Answers of an ablation that nobody trained: arms that are right at given rates, on the same problems."""

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.evaluation.ablation.arms import arms_of
from soundmind_pipeline.evaluation.ablation.params import AblationParams
from soundmind_pipeline.evaluation.ablation.results import assemble
from soundmind_pipeline.training.params import RlParams

PROBLEMS = 200
RATES = {"full": 0.95, "no_audio": 0.94, "no_text": 0.9, "no_answer": 0.55}
METRICS = ("reward/total", "reward/accuracy", "policy/kl", "policy/entropy", "rollout/length")


@pytest.fixture(scope="session")
def made_up(prediction):
    """Predictions and histories of table 7's arms with three seeds, as `run_all` gives them."""
    rng = np.random.default_rng(0)
    hardness = rng.uniform(size=PROBLEMS)
    rows = []
    for arm, seed, rate in [("sft", 0, 0.6), *((arm, seed, rate) for seed in (0, 1, 2) for arm, rate in RATES.items())]:
        for setting in ("audio_to_text", "text_to_text"):
            right = hardness < rate + rng.normal(0, 0.01)
            for number, is_right in enumerate(right):
                uid = f"test/{number:04d}"
                rows.append({"arm": arm, "seed": seed} | prediction(uid, bool(is_right), arm, setting))
    histories = pd.DataFrame(
        {"arm": arm, "seed": seed, "step": step, **dict.fromkeys(METRICS, step / 10)}
        for arm in RATES
        for seed in (0, 1, 2)
        for step in range(1, 11)
    )
    return pd.DataFrame(rows), histories


@pytest.fixture(scope="session")
def results(made_up):
    """What ``ablation.json`` would hold."""
    return assemble(*made_up, arms_of(AblationParams(), RlParams()))

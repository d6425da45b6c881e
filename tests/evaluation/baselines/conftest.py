"""The endpoint of the construction's tests, and an examiner whose policy is tiny."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.evaluation.predict import load_examiner
from soundmind_pipeline.policy.folder import save_policy
from soundmind_pipeline.rewards.params import RewardParams

_SHARED = runpy.run_path(str(Path(__file__).parents[2] / "problems" / "construction" / "conftest.py"))
endpoint, settings = _SHARED["endpoint"], _SHARED["settings"]


@pytest.fixture
def completion():
    """Makes the body of a chat completion."""
    return _SHARED["completion"]


@pytest.fixture
def few(samples):
    """Six held-out problems."""
    return samples.head(6)


@pytest.fixture
def speech(samples):
    """uid → a clip of its own length."""
    rng = np.random.default_rng(0)
    return {uid: rng.normal(0, 0.1, 4000 + place).astype(np.float32) for place, uid in enumerate(samples["uid"])}


@pytest.fixture
def policy_folder(tiny_policy, tmp_path):
    """A tiny policy on disk."""
    return save_policy(tiny_policy, tmp_path / "policy")


@pytest.fixture
def examiner(policy_folder):
    """An examiner of the tiny policy."""
    params = EvaluationParams(max_new_tokens=6, batch_rows=4)
    return load_examiner("rl", policy_folder, "does it follow?", RewardParams(), params)

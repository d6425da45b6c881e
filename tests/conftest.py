"""Shared fixtures: quiet, single-threaded, seeded libraries, and a policy small enough to build in each test."""

import os

# Before any library is imported, so that tests which need none of them do not wait for them.
os.environ.update(
    OMP_NUM_THREADS="1",  # two threads spin against each other on a busy machine
    MKL_NUM_THREADS="1",
    TOKENIZERS_PARALLELISM="false",
    DS_ACCELERATOR="cpu",
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    TRANSFORMERS_VERBOSITY="error",
)

import random
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from soundmind_pipeline.policy.folder import Policy
    from soundmind_pipeline.policy.params import NanoPolicyParams
    from soundmind_pipeline.policy.processor import AudioTextProcessor

# What whoever runs the tests has set for other work.
for name in ("COLUMNS", "KEDRO_ENV", "MLFLOW_TRACKING_URI", "SOUNDMIND_DVC_REMOTE", "SOUNDMIND_ENV"):
    os.environ.pop(name, None)

# The same examples in every run, however slow the machine.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

TINY_TEXTS = (
    "if tom is happy then anna is rich but tom is happy so anna is rich.",
    "either anna is poor or tom is not sad but anna is rich so tom is sad.",
    "<think> find happy then, denied, inverse. gives nothing. claim anna is not rich. it does not follow. </think>"
    " Answer: not entailed.",
    "<think> it follows. </think> Answer: entailed.",
    "does it follow?",
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws without a seed of its own is the same in every run, whichever tests ran before."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:  # else its generator is still as it starts, always the same
        sys.modules["torch"].default_generator.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_texts() -> tuple[str, ...]:
    """What the tokenizer of `tiny_processor` is trained on."""
    return TINY_TEXTS


@pytest.fixture(scope="session")
def tiny_processor() -> "AudioTextProcessor":
    """A processor whose tokenizer knows the words of the verified problems. Do not change it."""
    from soundmind_pipeline.policy.nano import build_processor
    from soundmind_pipeline.policy.params import TokenizerParams

    return build_processor(TINY_TEXTS, TokenizerParams(vocab_size=400, min_frequency=1))


@pytest.fixture(scope="session")
def tiny_params() -> "NanoPolicyParams":
    """Dimensions of the tiny policy: some 60,000 weights."""
    from soundmind_pipeline.policy.params import NanoPolicyParams

    return NanoPolicyParams(
        audio_dim=32, audio_layers=1, audio_heads=2, audio_ffn_dim=64, hidden_dim=32, layers=2, ffn_dim=64
    )


@pytest.fixture
def tiny_policy(tiny_processor: "AudioTextProcessor", tiny_params: "NanoPolicyParams") -> "Policy":
    """A policy with random weights, in evaluation mode; each test gets its own."""
    from soundmind_pipeline.policy.folder import Policy
    from soundmind_pipeline.policy.nano import build_thinker

    return Policy(build_thinker(tiny_params, tiny_processor, seed=0).eval(), tiny_processor)


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> tuple["MlflowClient", str]:
    """A client of a store and the id of its experiment. Tests share it: making its tables takes seconds."""
    from soundmind_pipeline.tracking import open_experiment

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return open_experiment(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def make_log_mel() -> Callable[..., np.ndarray]:
    """Makes log-mel frames `[frames, 128]` of noise."""

    def make(frames: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal((frames, 128)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def tiny_omni(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_processor: "AudioTextProcessor",
    tiny_params: "NanoPolicyParams",
) -> Path:
    """Folder of a full Qwen2.5-Omni checkpoint, random weights and voices Chelsie and Ethan. Do not change it."""
    folder = tmp_path_factory.mktemp("omni")
    script = Path(__file__).parent / "policy" / "tiny_omni.py"
    runpy.run_path(str(script))["save_tiny_omni"](folder, tiny_processor, tiny_params)
    return folder

"""A toy problem: eight spoken words, each with a sound of its own, and an answer that depends on the last one."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.policy.folder import ModelFolder, Policy, save_policy

WORDS = ("tom", "anna", "rich", "happy", "poor", "sad", "not", "either")
FRAMES_A_WORD = 16


def spoken(words: list[str]) -> np.ndarray:
    """Log-mel frames [frames, 128]: each word is a fixed random pattern of 160 ms."""
    sounds = [np.random.default_rng(WORDS.index(word)).standard_normal((1, 128)) for word in words]
    return np.concatenate([np.repeat(sound, FRAMES_A_WORD, axis=0) for sound in sounds]).astype(np.float32)


def toy_index(train: int = 24, dev: int = 8) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    rows, log_mels = [], {}
    for split, count in (("train", train), ("dev", dev)):
        for number in range(count):
            words = [WORDS[i] for i in rng.integers(len(WORDS), size=3 + number % 2)]
            uid, label = f"{split}/{number:04d}", number % 2
            log_mels[uid] = spoken(words)
            verdict = "entailed" if label else "not entailed"
            rows.append(
                {
                    "split": split,
                    "uid": uid,
                    "user_content": " ".join(words) + ".",
                    "reference_answer": f"<think> {words[-1]}. </think> Answer: {verdict}.",
                    "reference_verdict": verdict,
                    "label": label,
                    "mel_frames": len(log_mels[uid]),
                }
            )
    return pd.DataFrame(rows), log_mels


@pytest.fixture(scope="session")
def toy() -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The feature index and the log-mels of the toy problem."""
    return toy_index()


@pytest.fixture(scope="session")
def toy_policy(tmp_path_factory, tiny_params, tiny_processor) -> ModelFolder:
    """A tiny policy with random weights as a folder."""
    from soundmind_pipeline.policy.nano import build_thinker

    folder = tmp_path_factory.mktemp("policy") / "init"
    return save_policy(Policy(build_thinker(tiny_params, tiny_processor, seed=0), tiny_processor), folder)


@pytest.fixture
def zero2() -> dict:
    return {"gradient_clipping": "auto", "zero_optimization": {"stage": 2}}


@pytest.fixture(scope="session")
def toy_jobs() -> ModuleType:
    """The small SFT and RL jobs of the benchmarks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
        return importlib.import_module("_toy_jobs")


@pytest.fixture(scope="session")
def warm_policy(toy_jobs, tmp_path_factory) -> ModelFolder:
    """A tiny policy that keeps the answers' form, so that RL has rewards to learn from."""
    return toy_jobs.toy_policy(tmp_path_factory.mktemp("warm"))

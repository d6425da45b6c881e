"""A tiny adapter policy in folders, and a store to register it in."""

import numpy as np
import pytest

from soundmind_pipeline.speech.audio import write_wav


@pytest.fixture
def adapter(tiny_policy, tmp_path):
    """An adapter of a tiny policy beside its base, as the RL stage leaves them."""
    from soundmind_pipeline.policy.adapters import add_lora
    from soundmind_pipeline.policy.folder import Policy, load_policy, save_policy
    from soundmind_pipeline.policy.params import LoraParams

    loaded = load_policy(save_policy(tiny_policy, tmp_path / "models" / "sft"))
    model = add_lora(loaded.model, LoraParams(rank=2))
    return save_policy(Policy(model, loaded.processor), tmp_path / "models" / "rl_policy")


@pytest.fixture
def wav(tmp_path):
    """A second of a tone at 16 kHz."""
    path = tmp_path / "question.wav"
    write_wav(path, (0.3 * np.sin(np.arange(16_000) / 20)).astype(np.float32))
    return path

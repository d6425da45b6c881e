"""Other Qwen2.5-Omni checkpoints and adapters: they answer through the engine that the policies answer through."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.baselines.params import HeardOrRead, TransformersBaseline
from soundmind_pipeline.evaluation.conditions import Condition
from soundmind_pipeline.evaluation.controls import ChangedLogMels

if TYPE_CHECKING:
    from soundmind_pipeline.evaluation.predict import Examiner


def is_policy(model: str) -> bool:
    """Whether a folder or hub id holds a Qwen2.5-Omni, whole or Thinker only, or an adapter on one."""
    from transformers import AutoConfig

    if (Path(model) / "adapter_config.json").is_file():
        return True
    try:
        kind = AutoConfig.from_pretrained(model, trust_remote_code=False).model_type
    except (OSError, ValueError, KeyError):
        return False  # whoever loads it says what is wrong with it
    return str(kind).startswith("qwen2_5_omni")


def policy_rows(
    model: TransformersBaseline,
    setting: HeardOrRead,
    samples: pd.DataFrame,
    speech: Mapping[str, np.ndarray],
    examiner: "Examiner",
) -> pd.DataFrame:
    """Answers of another Qwen2.5-Omni.

    Args:
        model: Which, and what it is told to do.
        setting: Whether it hears or reads.
        samples: Held-out problems.
        speech: uid → spoken question, float32 [samples], 16 kHz.
        examiner: Of the final policy: how it is asked and marked, the other one is too.

    Returns:
        Rows of the predictions table.

    Raises:
        SoundmindError: The folder or its base cannot be loaded.
    """
    from soundmind_pipeline.evaluation.predict import load_examiner
    from soundmind_pipeline.policy.folder import ModelFolder

    asked = examiner.params.model_copy(update={"max_new_tokens": model.max_new_tokens, "dtype": model.dtype})
    folder, reward = ModelFolder(Path(model.model)), examiner.scorer.params
    other = load_examiner(model.name, folder, model.prompt, reward, asked, examiner.store)
    other.policy.model.to(model.device)  # None: where it is, on the GPU if there is one
    log_mels = ChangedLogMels(speech, lambda _, wave: wave)  # not the features' store: it need not be there
    return other.predict(samples, log_mels, Condition(setting))

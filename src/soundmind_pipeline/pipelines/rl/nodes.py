"""Nodes of the RL stage; what they do stands in :mod:`soundmind_pipeline.training.reinforce`.

Kedro reads the annotations when it lists pipelines, so every name in them is imported here, and heavy modules are
imported inside the functions.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.metrics import MetricSink
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.training.params import RlParams


def reinforce(
    sft_policy: ModelFolder,
    feature_index: pd.DataFrame,
    log_mels: Mapping[str, np.ndarray],
    work: Path,
    live_metrics: MetricSink,
    deepspeed_files: Mapping[str, dict[str, Any]],
    params: RlParams,
) -> tuple[ModelFolder, pd.DataFrame]:
    """The policy after SoundMind-RL, and the history of the training: one row a round."""
    from soundmind_pipeline.training.deepspeed_config import choose_config
    from soundmind_pipeline.training.launcher.launch import run_training
    from soundmind_pipeline.training.reinforce.trainer import train_rl

    return run_training(
        train_rl,
        sft_policy=sft_policy,
        index=feature_index,
        log_mels=log_mels,
        work=work,
        metrics=live_metrics,
        params=params,
        deepspeed=choose_config(deepspeed_files, params),
    )

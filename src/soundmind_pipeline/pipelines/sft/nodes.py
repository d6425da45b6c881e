"""Nodes of the SFT stage; what they do stands in :mod:`soundmind_pipeline.training`.

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
from soundmind_pipeline.training.params import SftParams

DeepspeedFiles = Mapping[str, dict[str, Any]]


def build_policy(processor: ModelFolder, work: Path, params: SftParams) -> ModelFolder:
    """The policy to warm up: a nano Thinker with random weights, or the folder or hub id that `base` names."""
    from soundmind_pipeline.policy.folder import Policy, load_policy, save_policy
    from soundmind_pipeline.policy.nano import build_thinker
    from soundmind_pipeline.policy.processor import load_processor

    if params.base is not None:
        policy = load_policy(params.base, params.precision)
    else:
        loaded = load_processor(processor.path)
        policy = Policy(build_thinker(params.model, loaded, params.seed), loaded)
    save_policy(policy, work / "init")
    return ModelFolder(work / "init")


def warm_up(
    policy_init: ModelFolder,
    feature_index: pd.DataFrame,
    log_mels: Mapping[str, np.ndarray],
    work: Path,
    live_metrics: MetricSink,
    deepspeed_files: DeepspeedFiles,
    params: SftParams,
) -> tuple[ModelFolder, pd.DataFrame]:
    """The policy after its curriculum, and the history of the training: one row a step."""
    from soundmind_pipeline.training.deepspeed_config import choose_config
    from soundmind_pipeline.training.launcher.launch import run_training
    from soundmind_pipeline.training.sft import train_sft

    return run_training(
        train_sft,
        policy_init=policy_init,
        index=feature_index,
        log_mels=log_mels,
        work=work,
        metrics=live_metrics,
        params=params,
        deepspeed=choose_config(deepspeed_files, params),
    )

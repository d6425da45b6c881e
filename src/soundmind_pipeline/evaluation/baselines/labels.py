"""Baselines that give a verdict and no answer: the majority class and the shortcut classifiers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.baselines.params import BaselinesParams
from soundmind_pipeline.evaluation.marking import SAMPLE_COLUMNS
from soundmind_pipeline.problems.schema import is_null
from soundmind_pipeline.problems.shortcuts import shortcut_predictions
from soundmind_pipeline.rewards.scorer import LABELS


def label_rows(train: pd.DataFrame, samples: pd.DataFrame, params: BaselinesParams) -> list[dict[str, Any]]:
    """Rows of the baselines that look at labels and surface marks of the train problems only.

    Args:
        train: Problems to fit on.
        samples: Held-out problems.
        params: Which of them are wanted.

    Returns:
        Rows of the predictions table under audio → text; what only an answer in words has is null.
    """
    chosen: dict[str, np.ndarray] = {}
    if params.majority:
        chosen["majority"] = np.full(len(samples), int(train["label"].mean() > 0.5))
    if params.shortcuts:
        name, verdicts = _best(shortcut_predictions(train, samples), samples["label"].to_numpy(dtype=int))
        chosen[f"shortcut: {name.replace('_', ' ')}"] = verdicts
    records = samples.to_dict("records")
    return [
        _row(name, record, int(label))
        for name, labels in chosen.items()
        for record, label in zip(records, labels, strict=True)
    ]


def _best(predictions: Mapping[str, np.ndarray], truth: np.ndarray) -> tuple[str, np.ndarray]:
    return max(predictions.items(), key=lambda item: float(np.mean(item[1] == truth)))


def _row(policy: str, record: Mapping[Any, Any], label: int) -> dict[str, Any]:
    right = label == int(record["label"])
    return {
        "policy": policy,
        "setting": "audio_to_text",
        "control": "none",
        **{column: None if is_null(record.get(column)) else record[column] for column in SAMPLE_COLUMNS},
        "finished": True,
        "verdict": LABELS[label],
        "right": right,
        "right_lenient": right,
        "format_valid": True,
    }

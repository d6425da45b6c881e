"""From the answers of all trials to the nested figures of ``ablation.json``."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.ablation.arms import FULL, Arm
from soundmind_pipeline.evaluation.ablation.findings import judge
from soundmind_pipeline.evaluation.ablation.statistics import crossed_difference, t_interval
from soundmind_pipeline.evaluation.ablation.trials import START
from soundmind_pipeline.evaluation.metrics import accuracy, headline, summarise
from soundmind_pipeline.evaluation.paper import RESULTS

SETTING: Final = "audio_to_text"
"""The setting of the paper's table 7, which arms are compared in."""
_HISTORY: Final = ("reward/total", "reward/accuracy", "policy/kl", "policy/entropy", "rollout/length")
_LAST_ROUNDS: Final = 5


def assemble(predictions: pd.DataFrame, histories: pd.DataFrame, arms: Sequence[Arm]) -> dict[str, Any]:
    """Everything ``ablation.json`` holds.

    Args:
        predictions: Answers of all trials and of the SFT policy, as
            :func:`~soundmind_pipeline.evaluation.ablation.trials.run_all` gives them.
        histories: Metrics of all trainings.
        arms: What was compared.

    Returns:
        ``problems``; ``start.<setting>``: the SFT policy, with the paper's ``paper``; ``arms.<name>``: ``label``,
        ``weights``, ``algorithm``, ``spoken`` (whether speech was rewarded), ``row`` of the paper's table 7 (None where
        it repeats none) and its ``paper``, ``seeds.<seed>`` (a cell a setting, and ``history``), ``mean.<setting>``
        over seeds with Student's ``ci95`` (None for one seed), ``ci95`` of audio → text, and ``against_full``
        (``difference``, ``ci95``, ``p``, ``by_seed``; None for the full arm itself, where there is none, and with a
        single problem); ``findings``: see
        :func:`~soundmind_pipeline.evaluation.ablation.findings.judge`.
    """
    reference = next((arm.name for arm in arms if arm.setting == FULL), None)
    right = _right_answers(predictions)
    document: dict[str, Any] = {}
    for arm in arms:
        rows = predictions[predictions["arm"] == arm.name]
        against = None
        if reference is not None and arm.name != reference and right[reference].shape[1] > 1:
            against = _compare(right[arm.name], right[reference])
        document[arm.name] = _arm(arm, rows, histories[histories["arm"] == arm.name], against)
    repeated = {arm.row: arm.name for arm in arms if arm.row}
    if repeated.get(FULL) != reference:
        repeated = {}  # what the arms were held to is not the paper's full reward under its algorithm
    start = _cells(predictions[predictions["arm"] == START])
    return {
        "problems": int(predictions["uid"].nunique()),
        "start": {**start, "paper": RESULTS[SETTING][0].accuracy},
        "arms": document,
        "findings": judge(document, repeated, start[SETTING]["accuracy"]),
    }


def _right_answers(predictions: pd.DataFrame) -> dict[str, np.ndarray]:
    """Arm → bool [seeds, problems], in the same order everywhere."""
    heard = predictions[(predictions["setting"] == SETTING) & (predictions["arm"] != START)]
    return {
        str(arm): rows.pivot(index="seed", columns="uid", values="right").to_numpy(dtype=bool)
        for arm, rows in heard.groupby("arm")
    }


def _compare(one: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    test = crossed_difference(one, other)
    return {
        "difference": test.difference,
        "ci95": [test.low, test.high],
        "p": test.p,
        "by_seed": list(test.by_seed),
    }


def _arm(arm: Arm, rows: pd.DataFrame, histories: pd.DataFrame, against: Mapping[str, Any] | None) -> dict[str, Any]:
    seeds = {
        str(seed): {**_cells(group), "history": _history(histories[histories["seed"] == seed])}
        for seed, group in rows.groupby("seed", sort=False)
    }
    mean = {setting: _mean([cells[setting] for cells in seeds.values()]) for setting in rows["setting"].unique()}
    return {
        "label": arm.label,
        "weights": arm.weights.model_dump(),
        "algorithm": arm.algorithm,
        "spoken": arm.params.speaks,
        "row": arm.row,
        "paper": arm.paper,
        "seeds": seeds,
        "mean": mean,
        "ci95": mean[SETTING]["ci95"],
        "against_full": against,
    }


def _cells(rows: pd.DataFrame) -> dict[str, Any]:
    """Setting → accuracy, n, ci95 (Wilson), format_valid, reward."""
    return {
        str(setting): accuracy(group["right"]) | headline(summarise(group))
        for setting, group in rows.groupby("setting", sort=False)
    }


def _mean(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean over seeds; ``ci95`` is the interval of the accuracy."""
    means = {name: float(np.mean([cell[name] for cell in cells])) for name in ("accuracy", "format_valid", "reward")}
    interval = t_interval([cell["accuracy"] for cell in cells])
    return {**means, "ci95": list(interval) if interval else None}


def _history(history: pd.DataFrame) -> dict[str, float]:
    """Rounds, and the mean of what matters over the last of them; without a KL penalty there is no ``policy/kl``."""
    last = history.tail(_LAST_ROUNDS)
    known = [name for name in _HISTORY if name in last and last[name].notna().any()]
    return {"steps": int(history["step"].max()), **{name: float(last[name].mean()) for name in known}}


def parent_metrics(results: Mapping[str, Any]) -> dict[str, float]:
    """What the ablation's own run shows in a tracker: mean accuracy and distance to the full reward of every arm."""
    metrics = {}
    for name, arm in results["arms"].items():
        for setting, cell in arm["mean"].items():
            metrics[f"ablation/{name}/{setting}/accuracy"] = cell["accuracy"]
        if arm["against_full"]:
            metrics[f"ablation/{name}/against_full"] = arm["against_full"]["difference"]
    return metrics

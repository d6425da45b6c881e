"""From a table of predictions to the nested figures of ``evaluation.json``.

Every number of the report, of MLflow and of DVC's metrics file comes from here, so that they cannot disagree; and
everything is computed from the predictions table alone, so that saved predictions can be scored again without a model.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.statistics import paired_difference, wilson_interval

REWARD_TERMS: Final = ("format_text", "format_audio", "answer", "length_text", "length_audio", "overlong")
BEFORE: Final = "sft"
AFTER: Final = "rl"
TEACHER_FIGURES: Final = ("natural_claim", "sampled_teacher")
"""What imitating the teacher is worth: measured beside the shortcuts, but no surface shortcuts."""


def assemble(
    predictions: pd.DataFrame, classifiers: Mapping[str, float], bootstrap_samples: int, seed: int
) -> dict[str, Any]:
    """Everything ``evaluation.json`` holds.

    Args:
        predictions: Rows of :func:`~soundmind_pipeline.evaluation.predict.predict`, all policies and conditions.
        classifiers: Held-out accuracy of each shortcut classifier and of the teacher.
        bootstrap_samples: Bootstrap samples of the paired intervals.
        seed: Seed of the bootstrap.

    Returns:
        ``policies.<policy>.<setting>``: see :func:`summarise`; ``paired.<setting>``: RL minus SFT on the same problems
        with its 95% interval, exact McNemar p, and counts; ``controls.<control>``: the final policy without its audio;
        ``audio_grounding_gap``: accuracy with the right audio minus accuracy on silence, None without that control;
        ``label_prior``: share of the more frequent label; ``shortcuts`` and ``teacher``: ``classifiers``;
        ``seconds``: empty, for the stage times.
    """
    plain = predictions[predictions["control"] == "none"]
    policies: dict[str, dict[str, Any]] = {}
    for (policy, setting), rows in plain.groupby(["policy", "setting"], sort=False):
        policies.setdefault(str(policy), {})[str(setting)] = summarise(rows)
    controls = _controls(predictions, policies)
    return {
        "policies": policies,
        "paired": {str(s): _paired(rows, bootstrap_samples, seed) for s, rows in plain.groupby("setting", sort=False)},
        "controls": controls,
        "audio_grounding_gap": controls.get("silence", {}).get("gap"),
        "label_prior": _label_prior(plain),
        "shortcuts": {name: value for name, value in classifiers.items() if name not in TEACHER_FIGURES},
        "teacher": {name: value for name, value in classifiers.items() if name in TEACHER_FIGURES},
        "seconds": {},
    }


def summarise(rows: pd.DataFrame) -> dict[str, Any]:
    """Figures of one policy under one condition.

    Args:
        rows: Predictions of one policy, setting and control.

    Returns:
        ``accuracy``, ``n``, ``ci95`` (Wilson); ``accuracy_lenient`` (verdict taken from anywhere in the answer);
        ``format_valid``; ``reward`` (mean total) and ``reward_terms``; ``heard`` (question restated word for word),
        ``reasoning_valid_when_right`` and ``reasoning_correct_when_right`` (whole chain of thought, among right
        answers), all three over the problems whose logical form is known, None without any; ``tokens`` (mean length);
        ``truncated``; ``verdicts`` (counts); ``by_form``, empty where no form is known; ``conflict_free``, the accuracy
        on problems whose label agrees with their teacher; and ``leak_free``, that on problems which no other split
        knows.
    """
    right = rows[rows["right"]]
    return {
        **accuracy(rows["right"]),
        "accuracy_lenient": _mean(rows["right_lenient"]),
        "format_valid": _mean(rows["format_valid"]),
        "reward": _mean(rows["reward"]),
        "reward_terms": {term: _mean(rows[f"reward_{term}"]) for term in REWARD_TERMS},
        "heard": _mean(rows["restated"]),
        "reasoning_valid_when_right": _mean(right["reasoning_valid"]),
        "reasoning_correct_when_right": _mean(right["reasoning_correct"]),
        "tokens": _mean(rows["tokens"]),
        "truncated": _mean(~rows["finished"].astype(bool)),
        "verdicts": {str(name): int(n) for name, n in rows["verdict"].fillna("none").value_counts().items()},
        "by_form": {
            str(form): {**accuracy(group["right"]), "heard": _mean(group["restated"])}
            for form, group in rows.groupby("form")
        },
        "conflict_free": accuracy(rows.loc[~rows["label_conflict"].astype(bool), "right"]),
        "leak_free": accuracy(rows.loc[~rows["leaked"].astype(bool), "right"]),
    }


def accuracy(right: Iterable[bool]) -> dict[str, Any]:
    """``accuracy``, ``n`` and Wilson ``ci95`` of a list of right and wrong answers; None where there are none."""
    values = np.asarray(list(right), dtype=bool)
    if not values.size:
        return {"accuracy": None, "n": 0, "ci95": None}
    hits = int(values.sum())
    return {"accuracy": hits / values.size, "n": int(values.size), "ci95": list(wilson_interval(hits, values.size))}


def _paired(rows: pd.DataFrame, samples: int, seed: int) -> dict[str, Any]:
    """RL minus SFT on the problems that both answered; empty unless both policies are there."""
    wide = rows.pivot(index="uid", columns="policy", values="right")
    if not {BEFORE, AFTER} <= set(wide.columns):
        return {}
    both = wide[[BEFORE, AFTER]].dropna().astype(bool)
    test = paired_difference(both[BEFORE].to_numpy(), both[AFTER].to_numpy(), samples, seed)
    return {
        "difference": test.difference,
        "ci95": [test.low, test.high],
        "p": test.p,
        "n": test.n,
        "gained": test.gained,
        "lost": test.lost,
    }


def _controls(predictions: pd.DataFrame, policies: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Each control of the final policy, with its distance to the same policy with the right audio."""
    rows = predictions[(predictions["control"] != "none") & (predictions["policy"] == AFTER)]
    controls = {}
    for control, group in rows.groupby("control", sort=False):
        with_audio = policies[AFTER]["audio_to_text"]["accuracy"]
        figures = accuracy(group["right"])
        controls[str(control)] = {
            **figures,
            "accuracy_lenient": _mean(group["right_lenient"]),
            "format_valid": _mean(group["format_valid"]),
            "gap": with_audio - figures["accuracy"],
            "chance": _chance_agreement(group),
        }
    return controls


def _chance_agreement(rows: pd.DataFrame) -> float:
    """Accuracy of answers with these verdict counts if they knew nothing of the labels: sum of p(verdict)·p(label)."""
    said = rows["verdict"].map({"entailed": 1, "not entailed": 0})
    return float(sum((said == label).mean() * (rows["label"] == label).mean() for label in (0, 1)))


def _label_prior(rows: pd.DataFrame) -> float:
    """Share of the more frequent label among the problems."""
    share = rows.drop_duplicates("uid")["label"].mean()
    return float(max(share, 1 - share))


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.astype(float).mean()) if len(known) else None


def headline(figures: Mapping[str, Any]) -> dict[str, float]:
    """The three figures of one policy under one condition that trackers follow."""
    return {name: figures[name] for name in ("accuracy", "format_valid", "reward")}


def flat_metrics(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The small table that DVC follows: accuracy, reward and format of both policies, and what RL changed."""
    flat: dict[str, Any] = {
        policy: {setting: headline(figures) for setting, figures in settings.items()}
        for policy, settings in evaluation["policies"].items()
    }
    flat["gain"] = {setting: paired["difference"] for setting, paired in evaluation["paired"].items() if paired}
    flat["controls"] = {control: figures["accuracy"] for control, figures in evaluation["controls"].items()}
    return flat


def form_table(evaluation: Mapping[str, Any]) -> pd.DataFrame:
    """Accuracy by problem form as a long table, for plots: policy, setting, form, accuracy, low, high, n, heard."""
    rows = [
        {
            "policy": policy,
            "setting": setting,
            "form": form,
            "accuracy": cell["accuracy"],
            "low": cell["ci95"][0],
            "high": cell["ci95"][1],
            "n": cell["n"],
            "heard": cell["heard"],
        }
        for policy, settings in evaluation["policies"].items()
        for setting, figures in settings.items()
        for form, cell in figures["by_form"].items()
    ]
    return pd.DataFrame(rows, columns=["policy", "setting", "form", "accuracy", "low", "high", "n", "heard"])

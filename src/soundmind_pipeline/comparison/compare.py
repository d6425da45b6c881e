"""What can be said of several runs: from their facts to one nested structure that is printed, drawn and written."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.comparison.runs import RunFacts
from soundmind_pipeline.evaluation.statistics import paired_difference, wilson_interval
from soundmind_pipeline.evaluation.style import SETTING_NAMES
from soundmind_pipeline.runs.tables import FINAL

BOOTSTRAP: Final = 10_000
HEADLINES: Final = (
    ("accuracy", "accuracy"),
    ("accuracy_heard", "verdict heard"),
    ("wer", "word error rate"),
    ("format_valid", "format valid"),
    ("reward", "reward"),
)
"""Last part of a metric's name under ``eval/<setting>/``, and what it is called."""
PROBLEM: Final = ("uid", "question", "label")
"""Columns of the table of answers that tell which problem was asked."""
_PLACES: Final = (
    "soundmind.stages",
    "soundmind.git_dirty",
    "mlflow.source.git.commit",
    "soundmind.conf_hash",
    "soundmind.inputs_md5",
)


def compare_runs(runs: Sequence[RunFacts], seed: int = 0) -> dict[str, Any]:
    """Put runs side by side; the first is what the others are held against.

    Args:
        runs: Two or more.
        seed: Seed of the bootstrap.

    Returns:
        ``runs``: id, name, status and origin of each. ``metrics``: name → one value a run, None where a run lacks it.
        ``accuracy``: setting → one cell a run: ``accuracy``, ``n``, Wilson ``ci95``, and but for the first ``paired``
        (difference to the first on the problems that both answered, 95% bootstrap interval over problems, exact McNemar
        p; None without such problems); None where a run logged no table of answers. ``parameters``: key → values, where
        runs differ that ran its stage: what a run did not build it has no parameters of.
    """
    settings = [name for name in SETTING_NAMES if any(_right(run, name) is not None for run in runs)]
    return {
        "runs": [_origin(run) for run in runs],
        "metrics": {name: [run.metrics.get(name) for run in runs] for name in _metric_names(runs)},
        "accuracy": {setting: _cells(runs, setting, seed) for setting in settings},
        "parameters": _differing(runs),
    }


def _origin(run: RunFacts) -> dict[str, Any]:
    return {"run_id": run.run_id, "name": run.name, "status": run.status} | {
        key.rpartition(".")[2]: run.tags[key] for key in _PLACES if key in run.tags
    }


def _metric_names(runs: Sequence[RunFacts]) -> list[str]:
    """The headline figures that any run has, settings in their usual order."""
    known = set().union(*(run.metrics for run in runs))
    names = [f"eval/{setting}/{figure}" for figure, _ in HEADLINES for setting in SETTING_NAMES]
    return [name for name in [*names, "eval/audio_grounding_gap", "reward/total"] if name in known]


def _right(run: RunFacts, setting: str) -> "pd.Series[bool] | None":
    """Whether the final policy was right, by problem; None where the run says nothing about it.

    A uid alone is no problem: data of another seed give the same uids to other questions.
    """
    if run.answers is None:
        return None
    rows = run.answers[(run.answers["policy"] == FINAL) & (run.answers["setting"] == setting)]
    problems = [rows[column].astype(str) for column in PROBLEM if column in rows]
    return rows.set_index(problems)["right"].astype(bool) if len(rows) else None


def _cells(runs: Sequence[RunFacts], setting: str, seed: int) -> list[dict[str, Any] | None]:
    first = _right(runs[0], setting)
    cells: list[dict[str, Any] | None] = []
    for place, run in enumerate(runs):
        right = _right(run, setting)
        if right is None:
            cells.append(None)
            continue
        hits, n = int(right.sum()), len(right)
        cell: dict[str, Any] = {"accuracy": hits / n, "n": n, "ci95": list(wilson_interval(hits, n))}
        if place and first is not None:
            cell["paired"] = _paired(first, right, seed)
        cells.append(cell)
    return cells


def _paired(first: "pd.Series[bool]", other: "pd.Series[bool]", seed: int) -> dict[str, Any] | None:
    shared = first.index.intersection(other.index)
    if shared.empty:
        return None
    test = paired_difference(first[shared].to_numpy(), other[shared].to_numpy(), BOOTSTRAP, seed)
    return {"difference": test.difference, "ci95": [test.low, test.high], "p": test.p, "n": test.n}


def _differing(runs: Sequence[RunFacts]) -> dict[str, list[str | None]]:
    blocks = [{key.partition(".")[0] for key in run.params} for run in runs]
    differing = {}
    for key in sorted(set().union(*(run.params for run in runs))):
        ran = [run for run, known in zip(runs, blocks, strict=True) if key.partition(".")[0] in known]
        if len({run.params.get(key) for run in ran}) > 1:
            differing[key] = [run.params.get(key) for run in runs]
    return differing


def flat_rows(comparison: dict[str, Any]) -> pd.DataFrame:
    """The comparison as a long table for spreadsheets: kind, name, run_id, run, value, low, high, p, n."""
    runs = comparison["runs"]
    rows: list[dict[str, Any]] = []
    for name, values in comparison["metrics"].items():
        rows += [_row("metric", name, run, value) for run, value in zip(runs, values, strict=True)]
    for setting, cells in comparison["accuracy"].items():
        for run, cell in zip(runs, cells, strict=True):
            if cell is None:
                continue
            rows.append(_row("accuracy", setting, run, cell["accuracy"], cell))
            if paired := cell.get("paired"):
                rows.append(_row("difference to the first", setting, run, paired["difference"], paired))
    for key, values in comparison["parameters"].items():
        rows += [_row("parameter", key, run, value) for run, value in zip(runs, values, strict=True)]
    return pd.DataFrame(rows, columns=["kind", "name", "run_id", "run", "value", "low", "high", "p", "n"])


def _row(
    kind: str, name: str, run: Mapping[str, str], value: Any, cell: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    row = {"kind": kind, "name": name, "run_id": run["run_id"], "run": run["name"], "value": value}
    if cell is None:
        return row
    low, high = cell["ci95"]
    return row | {"low": low, "high": high, "p": cell.get("p"), "n": cell["n"]}

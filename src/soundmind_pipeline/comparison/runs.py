"""Runs as the comparison sees them, fetched from the MLflow store."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.runs.tables import TABLE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CURVES: Final = ("reward/total", "reward/accuracy", "eval/dev/audio_to_text/accuracy", "policy/kl")
"""Metrics whose course over the steps is drawn."""
_SHOWN: Final = 12


@dataclass(frozen=True)
class RunFacts:
    """One run."""

    run_id: str
    name: str
    status: str
    metrics: Mapping[str, float]
    """Last value of each metric."""
    params: Mapping[str, str]
    tags: Mapping[str, str]
    curves: Mapping[str, list[tuple[int, float]]] = field(default_factory=dict)
    """Metric of :data:`CURVES` → (step, value)."""
    answers: pd.DataFrame | None = None
    """The run's table of answers (``policy``, ``setting``, ``uid``, ``right``, …); None where it logged none."""


def find_runs(client: "MlflowClient", experiment: str, wanted: Sequence[str], tags: Mapping[str, str]) -> list["Run"]:
    """The runs that are named, then those that carry the tags, oldest first, each once.

    Args:
        client: Client of the store.
        experiment: Id of the experiment.
        wanted: Run ids, beginnings of ids (at least four characters) or run names.
        tags: Tag → value that runs must carry, all of them.

    Raises:
        SoundmindError: A name fits no run or more than one, or fewer than two runs are found.
    """
    runs = list(client.search_runs([experiment], order_by=["attributes.start_time ASC"], max_results=10_000))
    chosen = [_one(runs, name) for name in wanted]
    if tags:
        chosen += [run for run in runs if all(run.data.tags.get(key) == value for key, value in tags.items())]
    distinct = list({run.info.run_id: run for run in chosen}.values())
    if len(distinct) < 2:
        found = f"found {len(distinct)}" if wanted or tags else "none is named"
        raise SoundmindError(f"A comparison needs two runs or more: {found}.", hint=f"There are:\n{_listed(runs)}")
    return distinct


def _one(runs: Sequence["Run"], name: str) -> "Run":
    fits = [run for run in runs if name in (run.info.run_id, run.info.run_name)]
    if not fits and len(name) >= 4:
        fits = [run for run in runs if run.info.run_id.startswith(name)]
    if len(fits) == 1:
        return fits[0]
    what = "no run is" if not fits else f"{len(fits)} runs are"
    raise SoundmindError(f"{name!r}: {what} called so.", hint=f"Give an id. There are:\n{_listed(fits or runs)}")


def _listed(runs: Sequence["Run"]) -> str:
    lines = [f"    {run.info.run_id[:8]}  {run.info.run_name}  {run.info.status}" for run in runs[-_SHOWN:]]
    return "\n".join(reversed(lines)) or "    no runs yet"


def fetch(client: "MlflowClient", run: "Run") -> RunFacts:
    """Everything the comparison looks at of one run."""
    run_id = run.info.run_id
    curves = {
        name: [(metric.step, metric.value) for metric in client.get_metric_history(run_id, name)]
        for name in CURVES
        if name in run.data.metrics
    }
    return RunFacts(
        run_id=run_id,
        name=run.info.run_name or run_id[:8],
        status=run.info.status,
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        curves=curves,
        answers=_answers(client, run_id),
    )


def _answers(client: "MlflowClient", run_id: str) -> pd.DataFrame | None:
    """The logged table of answers, read as the file that it is: MLflow's reader needs a global tracking store."""
    folder = TABLE.rpartition("/")[0]
    if TABLE not in {item.path for item in client.list_artifacts(run_id, folder)}:
        return None
    with open(client.download_artifacts(run_id, TABLE), encoding="utf-8") as file:
        table: dict[str, Any] = json.load(file)
    return pd.DataFrame(table["data"], columns=table["columns"])

"""Where MLflow keeps this project's runs, and how a training loop writes to them live."""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.metrics import NullSink, RunSink

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger("soundmind_pipeline")

EXPERIMENT = "soundmind"
RETRY_SECONDS = 60.0
"""After a failed write, until the next: MLflow's own retries have taken a minute or more by then."""


def tracking_uri(project_path: Path) -> str:
    """The MLflow server to write to: ``MLFLOW_TRACKING_URI`` when set, else the SQLite store in ``mlruns/``.

    Raises:
        SoundmindError: ``mlruns/`` cannot be created or written.
    """
    if configured := os.environ.get("MLFLOW_TRACKING_URI"):
        return configured
    folder = local_store(project_path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SoundmindError(
            f"{folder} cannot be written: {error.strerror}",
            hint="Make it writable, or set MLFLOW_TRACKING_URI to another MLflow store.",
        ) from error
    return f"sqlite:///{folder / 'mlflow.db'}"


def local_store(project_path: Path) -> Path:
    """The folder ``mlruns/`` of the project, absolute.

    ``dvc exp run --queue`` and ``--temp`` work in copies of the project in ``.dvc/tmp/exps``, which DVC removes in the
    end; their runs belong to the project itself.
    """
    project = Path(project_path).resolve()
    for folder in (project, *project.parents):
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            project = folder.parents[2]
    return project / "mlruns"


def open_experiment(project_path: Path) -> tuple["MlflowClient", str]:
    """A client of the project's store and the id of the experiment, created on first use."""
    import mlflow

    uri = tracking_uri(project_path)
    if not uri.startswith("sqlite:"):
        client = mlflow.MlflowClient(uri)
        return client, _experiment(client, None)
    # Ten first runs at once would each make the tables, the default experiment, and this one.
    with one_at_a_time(project_path, "first_use"):
        client = mlflow.MlflowClient(uri)
        folder = local_store(project_path)
        experiment = _experiment(client, artifacts := (folder / "artifacts").as_uri())
        if uri.endswith(f"{folder}/mlflow.db"):
            # A project that was moved or copied must not go on writing where it was; MLflow has no call for it.
            with closing(sqlite3.connect(folder / "mlflow.db", timeout=60)) as store, store:
                update = (
                    "UPDATE experiments SET artifact_location = ?1 WHERE experiment_id = ?2 AND artifact_location != ?1"
                )
                store.execute(update, (artifacts, int(experiment)))
        return client, experiment


@contextmanager
def one_at_a_time(project_path: Path, what: str) -> Iterator[None]:
    """Let no two processes do ``what`` to the project's own store at once; for any other store there is no lock."""
    if not tracking_uri(project_path).startswith("sqlite:"):
        yield
        return
    folder = local_store(project_path)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{what}.lock").open("a") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def _experiment(client: "MlflowClient", artifacts: str | None) -> str:
    """The id of the experiment, made if it is not there."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        try:
            return client.create_experiment(EXPERIMENT, artifact_location=artifacts)
        except MlflowException as error:
            # Somebody else's run of this moment has made it, on a server that serves many; else there is none.
            experiment = client.get_experiment_by_name(EXPERIMENT)
            if experiment is None:
                raise error
    return experiment.experiment_id


class MlflowSink:
    """Writes metrics to one MLflow run in batches, because a call costs tens of milliseconds on SQLite.

    Args:
        client: Client of the tracking store.
        run_id: The run to write to.
        interval: Seconds between two batches; what is pending longer than that is written with the next metric.
    """

    def __init__(self, client: "MlflowClient", run_id: str, interval: float = 2.0) -> None:
        self.client, self.run_id, self.interval = client, run_id, interval
        self._pending: list[Any] = []
        self._last = time.monotonic()
        self._logged: dict[str, set[int]] = {}
        self._ended: list[tuple[MlflowSink, str]] = []

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Queue ``metrics`` of ``step``; write the queue when the interval has passed.

        A step that the run already holds is not written again: a resumed loop repeats the steps since its checkpoint.
        A store that cannot be written does not end the loop: the queue is kept and written later.
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._pending += [Metric(name, float(value), now, step) for name, value in metrics.items()]
        if time.monotonic() - self._last < self.interval:
            return
        self._try_to_flush()

    def _try_to_flush(self) -> None:
        """Write what is pending; leave a store that cannot be written in peace for a while."""
        from mlflow.exceptions import MlflowException

        try:
            self.flush()
        except MlflowException as error:
            self._last = time.monotonic() + RETRY_SECONDS - self.interval
            waiting = sum(len(sink._pending) for sink in (self, *(child for child, _ in self._ended)))
            reason = str(error).splitlines()[0][:200]
            logger.warning("MLflow cannot be written, %d metrics wait: %s", waiting, reason)

    def flush(self) -> None:
        """Write everything that is pending, and the ends of children that could not be written before.

        Raises:
            MlflowException: The store cannot be written; what is pending stays so.
        """
        for name in {metric.key for metric in self._pending} - self._logged.keys():
            self._logged[name] = {metric.step for metric in self.client.get_metric_history(self.run_id, name)}
        fresh = {(metric.key, metric.step): metric for metric in reversed(self._pending)}
        self._pending = [metric for metric in reversed(fresh.values()) if metric.step not in self._logged[metric.key]]
        while batch := self._pending[:1000]:  # the store's limit for one batch
            self.client.log_batch(self.run_id, metrics=batch, synchronous=True)
            for metric in batch:
                self._logged[metric.key].add(metric.step)
            self._pending = self._pending[1000:]
        while self._ended:
            child, status = self._ended[0]
            child.flush()
            self.client.set_terminated(child.run_id, status)
            del self._ended[0]
        self._last = time.monotonic()

    @contextmanager
    def child(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[RunSink]:
        """A nested run, ended with the block: FINISHED, FAILED by an error, KILLED by Ctrl-C.

        A child of this run with the same ``tags`` is continued, so that a resumed parent has no part twice; one that
        has FINISHED already is left as it is.
        """
        from mlflow.entities import Param

        found = self._child_with(tags)
        if found is not None and found.info.status == "FINISHED":
            yield NullSink()
            return
        if found is not None:
            run_id = found.info.run_id
            self.client.update_run(run_id, status="RUNNING")
        else:
            experiment = self.client.get_run(self.run_id).info.experiment_id
            of_parent = {"mlflow.parentRunId": self.run_id, **tags}
            run_id = self.client.create_run(experiment, tags=of_parent, run_name=name).info.run_id
        batch = [Param(key, str(value)[:6000]) for key, value in params.items()]
        for start in range(0, len(batch), 100):  # the store's limit for one batch
            self.client.log_batch(run_id, params=batch[start : start + 100])
        sink, status = MlflowSink(self.client, run_id, self.interval), "FAILED"
        try:
            yield sink
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            self._ended.append((sink, status))
            self._try_to_flush()

    def _child_with(self, tags: Mapping[str, str]) -> Any | None:
        """The newest child of this run that carries ``tags``."""
        experiment = self.client.get_run(self.run_id).info.experiment_id
        wanted = {"mlflow.parentRunId": self.run_id, **tags}
        query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in wanted.items())
        return next(iter(self.client.search_runs([experiment], query, max_results=1)), None)


def end_children(client: "MlflowClient", run_id: str, status: str) -> None:
    """Give the children of a run that a killed process left open their final ``status``."""
    experiment = client.get_run(run_id).info.experiment_id
    query = f"tags.`mlflow.parentRunId` = '{run_id}' and attributes.status = 'RUNNING'"
    for child in client.search_runs([experiment], query):
        client.set_terminated(child.info.run_id, status)

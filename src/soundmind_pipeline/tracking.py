"""Where MLflow keeps this project's runs, and how a training loop writes to them live."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundmind_pipeline.errors import SoundmindError

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "soundmind"


def tracking_uri(project_path: Path) -> str:
    """The MLflow server to write to: ``MLFLOW_TRACKING_URI`` when set, else the SQLite store in ``mlruns/``.

    Raises:
        SoundmindError: ``mlruns/`` cannot be created or written.
    """
    if configured := os.environ.get("MLFLOW_TRACKING_URI"):
        return configured
    folder = Path(project_path) / "mlruns"
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
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


def open_experiment(project_path: Path) -> tuple["MlflowClient", str]:
    """A client of the project's store and the id of the experiment, created on first use."""
    import mlflow

    uri = tracking_uri(project_path)
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return client, experiment.experiment_id
    local = uri.startswith("sqlite:")
    artifacts = (Path(project_path).resolve() / "mlruns" / "artifacts").as_uri() if local else None
    return client, client.create_experiment(EXPERIMENT, artifact_location=artifacts)


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

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Queue ``metrics`` of ``step``; write the queue when the interval has passed.

        A step that the run already holds is not written again: a resumed loop repeats the steps since its checkpoint.
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for name, value in metrics.items():
            if name not in self._logged:
                history = self.client.get_metric_history(self.run_id, name)
                self._logged[name] = {metric.step for metric in history}
            if step not in self._logged[name]:
                self._logged[name].add(step)
                self._pending.append(Metric(name, float(value), now, step))
        if time.monotonic() - self._last >= self.interval:
            self.flush()

    def flush(self) -> None:
        """Write everything that is pending."""
        for start in range(0, len(self._pending), 1000):  # the store's limit for one batch
            self.client.log_batch(self.run_id, metrics=self._pending[start : start + 1000], synchronous=True)
        self._pending.clear()
        self._last = time.monotonic()

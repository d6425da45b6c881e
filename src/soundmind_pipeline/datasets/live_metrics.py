"""The sink through which a node logs metrics while it runs."""

from typing import Any, ClassVar, NoReturn

from kedro.io import AbstractDataset, DatasetError

from soundmind_pipeline.metrics import NullSink, RunSink


class LiveMetrics(AbstractDataset[Any, RunSink]):
    """Loads the :class:`~soundmind_pipeline.metrics.RunSink` of the current run; it cannot be saved to.

    The tracking hook puts the sink of the active MLflow run in place; outside a tracked run metrics are dropped.

    Example usage for the YAML API:

    ```yaml
    live_metrics:
      type: soundmind_pipeline.datasets.live_metrics.LiveMetrics
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.live_metrics import LiveMetrics
    from soundmind_pipeline.metrics import ListSink

    LiveMetrics.sink = ListSink()
    LiveMetrics().load().log(1, {"sft/loss": 2.3})
    ```
    """

    sink: ClassVar[RunSink] = NullSink()

    def __init__(self, *, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata

    def load(self) -> RunSink:
        """The sink of the active run."""
        return type(self).sink

    def save(self, data: Any) -> NoReturn:
        """Refuse: metrics are logged one step at a time through the loaded sink.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError("LiveMetrics is an input only: log through the loaded sink.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"sink": type(type(self).sink).__name__}

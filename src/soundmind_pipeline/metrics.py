"""Where a training loop sends its numbers: a protocol, so that the loops know nothing of MLflow."""

from collections.abc import Mapping
from typing import Protocol


class MetricSink(Protocol):
    """Receives metrics while a loop runs."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record ``metrics`` (name → value) of one optimisation step, counted from 1."""


class NullSink:
    """Forgets every metric."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Do nothing: runs without a tracker must not fail for the lack of one."""


class ListSink:
    """Keeps every metric in memory, in the order of arrival."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one row ``(step, metrics)``."""
        self.rows.append((step, dict(metrics)))

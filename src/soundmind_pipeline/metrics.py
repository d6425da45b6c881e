"""Where a training loop sends its numbers: a protocol, so that the loops know nothing of MLflow."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol


class MetricSink(Protocol):
    """Receives metrics while a loop runs."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record ``metrics`` (name → value) of one optimisation step, counted from 1."""


class RunSink(MetricSink, Protocol):
    """Receives the metrics of a whole run, which may have parts of their own."""

    def child(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> AbstractContextManager["RunSink"]:
        """The sink of one part of this run, such as a trial of an ablation; the part ends with the block.

        Args:
            name: What people call the part.
            params: Its parameters, dotted key → value.
            tags: What identifies it: the same tags continue the same part after an interruption.
        """
        ...


class NullSink:
    """Forgets every metric."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Do nothing: runs without a tracker must not fail for the lack of one."""

    def child(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> AbstractContextManager["RunSink"]:
        """Itself: what is forgotten has no parts."""
        return nullcontext(self)


class ListSink:
    """Keeps every metric in memory, in the order of arrival."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.children: dict[str, ListSink] = {}

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one row ``(step, metrics)``."""
        self.rows.append((step, dict(metrics)))

    def child(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> AbstractContextManager["RunSink"]:
        """A list of its own, under its name in ``children``."""
        return nullcontext(self.children.setdefault(name, ListSink()))

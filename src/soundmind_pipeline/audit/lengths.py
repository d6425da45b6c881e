"""Lengths of questions and answers in words, tokens and seconds, beside the paper's table 3."""

import math
from collections.abc import Sequence
from typing import Any, Final

from soundmind_pipeline.audit.rows import Row

MEASURES: Final = (
    "question_words",
    "answer_words",
    "question_tokens",
    "answer_tokens",
    "question_seconds",
    "answer_seconds",
    "question_speech_seconds",
    "answer_speech_seconds",
    "question_words_per_second",
    "answer_words_per_second",
)
"""Each is an attribute of :class:`Row` and a key of the statistics."""


def statistics_of(rows: Sequence[Row]) -> dict[str, dict[str, Any] | None]:
    """Statistics of every measure; None where no row has it (durations that the file does not give)."""
    return {measure: _statistics(rows, measure) for measure in MEASURES}


def _statistics(rows: Sequence[Row], measure: str) -> dict[str, Any] | None:
    """Mean, spread and nearest-rank percentiles over the rows that have the measure."""
    pairs = [(value, row.label) for row in rows if (value := getattr(row, measure)) is not None]
    if not pairs:
        return None
    values = sorted(value for value, _ in pairs)
    count, total = len(values), math.fsum(values)
    mean = total / count
    return {
        "count": count,
        "total": total,
        "mean": mean,
        "std": math.sqrt(math.fsum((value - mean) ** 2 for value in values) / count),
        "min": values[0],
        "median": percentile(values, 0.5),
        "p95": percentile(values, 0.95),
        "max": values[-1],
        "mean_entailed": _mean([value for value, label in pairs if label == 1]),
        "mean_not_entailed": _mean([value for value, label in pairs if label == 0]),
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the sorted values do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None

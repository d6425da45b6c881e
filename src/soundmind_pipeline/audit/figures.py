"""Histograms of lengths by split and label, as the paper's figure 4 draws them for durations."""

from collections.abc import Mapping, Sequence
from typing import Final

from soundmind_pipeline.audit.rows import Row
from soundmind_pipeline.evaluation.lengths import FIGURE_4_SECONDS, bin_edges, draw_histograms

UNITS: Final = {"seconds": "s", "words": "words"}


def draw_lengths(rows: Mapping[str, Sequence[Row]], side: str) -> tuple[str, str] | None:
    """Histograms of one side's length: a column a split that has values, a row a label, the same bins everywhere.

    Args:
        rows: Rows by split.
        side: ``question`` or ``answer``.

    Returns:
        ``seconds`` if any row gives this side's duration, else ``words``; and the text of an SVG file. None if there is
        nothing to draw.
    """
    for unit in UNITS:
        values = {name: _by_label(split, f"{side}_{unit}") for name, split in rows.items()}
        values = {name: labels for name, labels in values.items() if any(labels)}
        everything = [value for labels in values.values() for part in labels for value in part]
        if everything:
            minutes = FIGURE_4_SECONDS if unit == "seconds" and side == "answer" else None
            return unit, draw_histograms(values, bin_edges(everything, minutes), f"{side} length ({UNITS[unit]})")
    return None


def _by_label(rows: Sequence[Row], measure: str) -> tuple[list[float], list[float]]:
    """Values of entailed rows, and of the others."""
    values = [(row.label, getattr(row, measure)) for row in rows]
    yes, no = ([value for label, value in values if label == wanted and value is not None] for wanted in (1, 0))
    return yes, no

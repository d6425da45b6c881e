"""Histograms of lengths by split and label, as the paper's figure 4 draws them for durations."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from soundmind_pipeline.audit.rows import Row
from soundmind_pipeline.evaluation.style import ACCENTS, figure, tidy, to_svg

BINS: Final = 30  # about so many bars a panel
FIGURE_4_SECONDS: Final = 60.0  # the paper's bins are minutes
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
            return unit, _draw(values, bin_edges(everything, minutes), f"{side} length ({UNITS[unit]})")
    return None


def bin_edges(values: Sequence[float], width: float | None = None) -> list[float]:
    """Edges of equal bins that start at a multiple of their width and hold every value.

    Args:
        values: At least one.
        width: Width of a bin; a round number that gives some 30 bins if None or if it would give more than 60.
    """
    low, high = min(values), max(values)
    if width is None or (high - low) / width > 2 * BINS:
        rough = max((high - low) / BINS, 1e-3)
        magnitude = 10.0 ** math.floor(math.log10(rough))
        width = next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= rough)
    first = math.floor(low / width)
    return [width * edge for edge in range(first, math.floor(high / width) + 2)]


def _by_label(rows: Sequence[Row], measure: str) -> tuple[list[float], list[float]]:
    """Values of entailed rows, and of the others."""
    values = [(row.label, getattr(row, measure)) for row in rows]
    yes, no = ([value for label, value in values if label == wanted and value is not None] for wanted in (1, 0))
    return yes, no


def _draw(values: Mapping[str, tuple[list[float], list[float]]], edges: list[float], xlabel: str) -> str:
    columns = len(values)
    grid = {"nrows": 2, "ncols": columns, "squeeze": False, "sharex": True, "sharey": "col"}
    with figure(max(9.0, 3.4 * columns), 3.6, **grid) as (drawn, axes):
        for column, (name, labels) in enumerate(values.items()):
            for row, (label, colour) in enumerate(zip(("entailed", "not entailed"), ACCENTS, strict=False)):
                panel = axes[row, column]
                panel.hist(labels[row], bins=edges, color=colour, edgecolor="none", rwidth=0.92)
                # A dollar sign would open a formula.
                tidy(panel, f"{name}, {label} ({len(labels[row]):,})".replace("$", r"\$"), xlabel if row else "")
        return to_svg(drawn)

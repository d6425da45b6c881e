"""Lengths of the problems by split and label: the paper's table 3 and figure 4, of this run's own data."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from soundmind_pipeline.evaluation.style import ACCENTS, figure, tidy, to_svg

if TYPE_CHECKING:
    import pandas as pd  # `soundmind audit` draws with this module and starts without pandas

SPLITS: Final = ("train", "test", "dev")
"""In the order of the paper's table 3."""
MEASURES: Final = ("question_tokens", "answer_tokens", "question_seconds", "answer_seconds")
"""Columns of the feature index whose means table 3 holds."""
FIGURE_4_SECONDS: Final = 60.0
"""Width of figure 4's bins: minutes, for answers of some ten minutes."""
BINS: Final = 30  # about so many bars a panel


def split_statistics(index: "pd.DataFrame") -> dict[str, dict[str, float | None]]:
    """Our table 3: rows, labels and mean lengths of each split that has problems.

    Args:
        index: The feature index, all splits.

    Returns:
        Split → ``rows``, ``entailed``, ``not_entailed`` and the :data:`MEASURES`; None where no row has the measure
        (references that were not spoken have no duration).
    """
    statistics: dict[str, dict[str, float | None]] = {}
    for split in SPLITS:
        rows = index[index["split"] == split]
        if rows.empty:
            continue
        entailed = int((rows["label"] == 1).sum())
        statistics[split] = {"rows": len(rows), "entailed": entailed, "not_entailed": len(rows) - entailed}
        statistics[split] |= {measure: _mean(rows, measure) for measure in MEASURES}
    return statistics


def _mean(rows: "pd.DataFrame", measure: str) -> float | None:
    if measure not in rows:
        return None
    values = rows[measure].dropna()
    return math.fsum(values) / len(values) if len(values) else None


def draw_durations(index: "pd.DataFrame", side: str) -> str | None:
    """Our figure 4: histograms of one side's seconds, a column a split, a row a label.

    Args:
        index: The feature index, all splits.
        side: ``question`` or ``answer``.

    Returns:
        The text of an SVG file; None if that side was not spoken.
    """
    column = f"{side}_seconds"
    spoken = index.dropna(subset=[column]) if column in index else index.head(0)
    values: dict[str, tuple[list[float], ...]] = {
        split: tuple(rows.loc[rows["label"] == label, column].tolist() for label in (1, 0))
        for split in SPLITS
        if len(rows := spoken[spoken["split"] == split])
    }
    if not values:
        return None
    everything = [value for labels in values.values() for part in labels for value in part]
    edges = bin_edges(everything, FIGURE_4_SECONDS if side == "answer" and max(everything) > 300 else None)
    return draw_histograms(values, edges, f"{side} length (s)")


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


def draw_histograms(values: Mapping[str, Any], edges: Sequence[float], xlabel: str) -> str:
    """Histograms as the paper's figure 4 arranges them, the same bins everywhere.

    Args:
        values: Split → (values of entailed rows, values of the others).
        edges: Edges of the bins.
        xlabel: What is counted, with its unit.

    Returns:
        The text of an SVG file.
    """
    columns = len(values)
    grid = {"nrows": 2, "ncols": columns, "squeeze": False, "sharex": True, "sharey": "col"}
    with figure(max(9.0, 3.4 * columns), 3.6, **grid) as (drawn, axes):
        for column, (name, labels) in enumerate(values.items()):
            for row, (label, colour) in enumerate(zip(("entailed", "not entailed"), ACCENTS, strict=False)):
                panel = axes[row, column]
                panel.hist(labels[row], bins=edges, color=colour, edgecolor="none", rwidth=0.92)
                panel.locator_params(axis="y", integer=True)
                # A dollar sign would open a formula.
                tidy(panel, f"{name}, {label} ({len(labels[row]):,})".replace("$", r"\$"), xlabel if row else "")
        return to_svg(drawn)

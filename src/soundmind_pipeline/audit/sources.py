"""Agreement of the annotations' labels, which are a teacher's verdicts, with those of the source they came from."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from soundmind_pipeline.audit.rows import Row
from soundmind_pipeline.problems.sources.source_labels import SourceLabels


def agreement_with(labels: SourceLabels, rows: Sequence[Row]) -> dict[str, Any]:
    """How far the labels of a split agree with source files; see :func:`agreement`."""
    return agreement(rows, lambda row: labels.find(row.premises))


def agreement(rows: Sequence[Row], find: Callable[[Row], Collection[int]]) -> dict[str, Any]:
    """How far the labels of a split agree with the source.

    Args:
        rows: The split.
        find: The labels that the source gives a row: none, one, or both.

    Returns:
        ``matched`` (rows found with one label), ``agree``, ``agreement`` (their ratio, None if nothing matched),
        ``ambiguous`` (found with both labels: not compared), ``unmatched``, ``confusion`` (``label_1_source_0`` …)
        and ``disagreeing_rows``.
    """
    confusion = {f"label_{label}_source_{source}": 0 for label in (0, 1) for source in (0, 1)}
    ambiguous, disagreeing = 0, []
    for row in rows:
        labels = find(row)
        ambiguous += len(labels) > 1
        if len(labels) == 1:
            (source,) = labels
            confusion[f"label_{row.label}_source_{source}"] += 1
            if source != row.label:
                disagreeing.append(row.place)
    matched = sum(confusion.values())
    agree = matched - len(disagreeing)
    return {
        "matched": matched,
        "agree": agree,
        "agreement": agree / matched if matched else None,
        "ambiguous": ambiguous,
        "unmatched": len(rows) - matched - ambiguous,
        "confusion": confusion,
        "disagreeing_rows": disagreeing,
    }

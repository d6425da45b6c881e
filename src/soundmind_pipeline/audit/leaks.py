"""Wording that gives the label away: spellings of the verdict, and templates of the prompt.

Rows with the same verdict may spell it differently. If one spelling goes with one label and another spelling with the
other, then the label can be read off the hyphen, and one of the two groups is mislabelled. In the same way a prompt's
own wording must say nothing about its label.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from soundmind_pipeline.audit.rows import Row, excerpt

SIGNIFICANCE: Final = 0.001
"""Largest p (Fisher's exact test, two-sided, times the number of wordings tested) that counts as a leak."""
TEMPLATES_SHOWN: Final = 20


def spelling_table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """How the verdicts are spelled, most frequent first.

    Returns:
        ``wording``, ``verdict`` and ``rows``, ``entailed``, ``not_entailed`` by *label*, ``p`` against the other
        spellings of the same verdict (None if there are none), and ``leak``: whether p is below :data:`SIGNIFICANCE`.
    """
    table: list[dict[str, Any]] = []
    for verdict in ("entailed", "not entailed"):
        group = [row for row in rows if row.verdict == verdict]
        table += [{"verdict": verdict, **entry} for entry in _against_label(group, lambda row: row.spelling)]
    return sorted(table, key=lambda entry: (-entry["rows"], entry["wording"]))


def template_table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The prompts' own wordings, most frequent first, keys as in :func:`spelling_table`; the first 20, leaks first.

    Rows whose prompt cannot be taken apart count as one wording, "(no triplet found)".
    """
    table = _against_label(rows, lambda row: row.template or "(no triplet found)")
    table.sort(key=lambda entry: (not entry["leak"], -entry["rows"], entry["wording"]))
    return [entry | {"wording": excerpt(entry["wording"], 1000)} for entry in table[:TEMPLATES_SHOWN]]


def _against_label(rows: Iterable[Row], wording: Callable[[Row], str | None]) -> list[dict[str, Any]]:
    """Each wording with its labels, tested against all other wordings of the group."""
    counts: Counter[tuple[str, int]] = Counter((wording(row) or "", row.label) for row in rows)
    wordings = sorted({name for name, _ in counts})
    entailed = sum(count for (_, label), count in counts.items() if label == 1)
    not_entailed = counts.total() - entailed
    table = []
    for name in wordings:
        yes, no = counts[name, 1], counts[name, 0]
        p = fisher_exact(yes, no, entailed - yes, not_entailed - no) if len(wordings) > 1 else None
        leak = p is not None and p * len(wordings) < SIGNIFICANCE
        table.append({"wording": name, "rows": yes + no, "entailed": yes, "not_entailed": no, "p": p, "leak": leak})
    return table


def fisher_exact(a: int, b: int, c: int, d: int) -> float:
    """Two-sided p of Fisher's exact test on the table [[a, b], [c, d]]: all tables at most as likely as this one."""
    row, column, total = a + b, a + c, a + b + c + d
    low, high = max(0, row + column - total), min(row, column)

    def log_likelihood(x: int) -> float:
        return _log_choose(column, x) + _log_choose(total - column, row - x) - _log_choose(total, row)

    limit = log_likelihood(a) + 1e-7
    return min(1.0, math.fsum(math.exp(p) for x in range(low, high + 1) if (p := log_likelihood(x)) <= limit))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

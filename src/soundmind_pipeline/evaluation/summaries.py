"""The figures of one policy under one condition, and how two sets of answers to the same problems compare."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.marking import REWARD_TERMS
from soundmind_pipeline.evaluation.statistics import paired_difference, wilson_interval

VERDICTS: Final = ("entailed", "not entailed", "none")
LONG_SECONDS: Final = 120.0
"""From this length on durations are given in minutes."""


def summarise(
    rows: pd.DataFrame, question_edges: Sequence[float] = (), answer_edges: Sequence[float] = ()
) -> dict[str, Any]:
    """Figures of one policy under one condition; what a policy without written answers lacks is None.

    Args:
        rows: Predictions of one policy, setting and control.
        question_edges: Edges of the bins of the questions' durations, in seconds, from :func:`duration_edges`.
        answer_edges: The same of the reference answers' durations.

    Returns:
        ``accuracy``, ``n``, ``ci95`` (Wilson); ``accuracy_lenient`` (verdict taken from anywhere in the answer);
        ``format_valid``; ``reward`` (mean total) and ``reward_terms``; ``heard`` (question restated word for word),
        ``reasoning_valid_when_right`` and ``reasoning_correct_when_right`` (whole chain of thought, among right
        answers), all three over the problems whose logical form is known, None without any; ``tokens`` (mean length);
        ``length_ratio`` (mean of reasoning tokens over those of the reference); ``truncated``; ``verdicts`` (counts)
        and ``confusion`` (label → verdict → count); accuracy ``by_form``, ``by_difficulty`` (both empty where unknown),
        ``by_duration`` of the question and ``by_answer_duration`` of the spoken reference; ``conflict_free``, the
        accuracy on problems whose label agrees with their teacher; ``leak_free``, that on problems which no other split
        knows; and where answers were spoken, what ``spoken.figures.spoken_figures`` gives, as ``spoken``.
    """
    right = rows[rows["right"].astype(bool)]
    return _spoken(rows) | {
        **accuracy(rows["right"]),
        "accuracy_lenient": mean(rows["right_lenient"]),
        "format_valid": mean(rows["format_valid"]),
        "reward": mean(rows["reward"]),
        "reward_terms": {term: mean(rows[f"reward_{term}"]) for term in REWARD_TERMS},
        "heard": mean(rows["restated"]),
        "reasoning_valid_when_right": mean(right["reasoning_valid"]),
        "reasoning_correct_when_right": mean(right["reasoning_correct"]),
        "tokens": mean(rows["tokens"]),
        "length_ratio": _length_ratio(rows),
        "truncated": mean(1 - rows["finished"].dropna().astype(int)),
        "verdicts": {str(name): int(n) for name, n in rows["verdict"].fillna("none").value_counts().items()},
        "confusion": confusion(rows),
        "by_form": {
            str(form): {**accuracy(group["right"]), "heard": mean(group["restated"])}
            for form, group in rows.groupby("form")
        },
        "by_difficulty": {
            str(difficulty): accuracy(group["right"])
            for difficulty, group in rows.groupby(rows["difficulty"].astype("Int64"))
        },
        "by_duration": by_duration(rows, "question_seconds", question_edges),
        "by_answer_duration": by_duration(rows, "answer_seconds", answer_edges),
        "conflict_free": accuracy(rows.loc[~rows["label_conflict"].astype(bool), "right"]),
        "leak_free": accuracy(rows.loc[~rows["leaked"].astype(bool), "right"]),
    }


def _spoken(rows: pd.DataFrame) -> dict[str, Any]:
    if not str(rows["setting"].iloc[0]).endswith("_to_audio"):
        return {}
    from soundmind_pipeline.evaluation.spoken.figures import spoken_figures

    return {"spoken": spoken_figures(rows)}


def accuracy(right: Iterable[bool]) -> dict[str, Any]:
    """``accuracy``, ``n`` and Wilson ``ci95`` of a list of right and wrong answers; None where there are none."""
    values = np.asarray(list(right), dtype=bool)
    if not values.size:
        return {"accuracy": None, "n": 0, "ci95": None}
    hits = int(values.sum())
    return {"accuracy": hits / values.size, "n": int(values.size), "ci95": list(wilson_interval(hits, values.size))}


def mean(values: pd.Series) -> float | None:
    """The mean of what is known; None where nothing is."""
    known = values.dropna()
    return float(known.astype(float).mean()) if len(known) else None


def confusion(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Counts by label, then by verdict; ``none`` is an answer without one."""
    verdicts = rows["verdict"].fillna("none")
    return {
        truth: {verdict: int((verdicts[rows["label"] == label] == verdict).sum()) for verdict in VERDICTS}
        for label, truth in ((1, "entailed"), (0, "not entailed"))
    }


def duration_edges(seconds: pd.Series) -> list[float]:
    """The edges of up to four bins of durations: the quartiles, rounded to a tenth of the unit they are given in.

    Returns:
        Seconds, ascending, two or more; empty where no duration is known.
    """
    known = seconds.dropna().astype(float)
    if known.empty:
        return []
    tenths = np.quantile(known, [0, 0.25, 0.5, 0.75, 1]) / _unit(known.max())[1] * 10
    edges = np.unique([np.floor(tenths[0]), *np.round(tenths[1:-1]), np.ceil(tenths[-1])]) / 10
    return [float(edge) * _unit(known.max())[1] for edge in (edges if len(edges) > 1 else [edges[0]] * 2)]


def by_duration(rows: pd.DataFrame, column: str, edges: Sequence[float]) -> dict[str, dict[str, Any]]:
    """Accuracy by duration.

    Args:
        rows: Predictions.
        column: Which duration, in seconds; NaN where there is none.
        edges: From :func:`duration_edges`; a bin holds its lower edge, the last one its upper edge too.

    Returns:
        The cell of :func:`accuracy` of each bin that is not empty, shortest first, by a label such as ``2.1–3.0 s`` or,
        for long ones, ``8.0–9.5 min``.
    """
    if not len(edges):
        return {}
    seconds = rows[column].astype(float)
    bins = np.clip(np.searchsorted(edges, seconds, side="right") - 1, 0, len(edges) - 2)
    unit, scale = _unit(edges[-1])
    cells = {}
    for place, (low, high) in enumerate(pairwise(edges)):
        inside = rows.loc[(bins == place) & seconds.notna().to_numpy(), "right"]
        if len(inside):
            cells[f"{low / scale:.1f}–{high / scale:.1f} {unit}"] = accuracy(inside)
    return cells


def compare(before: pd.DataFrame, after: pd.DataFrame, samples: int, seed: int) -> dict[str, Any]:
    """Accuracy ``after`` minus ``before`` on the problems that both answered.

    Args:
        before: Predictions, one row a problem.
        after: Predictions, one row a problem.
        samples: Bootstrap samples.
        seed: Seed of the bootstrap.

    Returns:
        ``difference``, its bootstrap ``ci95``, exact McNemar ``p``, ``n``, ``gained``, ``lost``; empty where no problem
        was answered by both.
    """
    both = before.set_index("uid")["right"].to_frame("before").join(after.set_index("uid")["right"], how="inner")
    if both.empty:
        return {}
    both = both.astype(bool).sort_index()
    test = paired_difference(both["before"].to_numpy(), both["right"].to_numpy(), samples, seed)
    return {
        "difference": test.difference,
        "ci95": [test.low, test.high],
        "p": test.p,
        "n": test.n,
        "gained": test.gained,
        "lost": test.lost,
    }


def _unit(longest: float) -> tuple[str, float]:
    """The unit that durations up to ``longest`` seconds are given in, and its length in seconds."""
    return ("min", 60.0) if longest >= LONG_SECONDS else ("s", 1.0)


def _length_ratio(rows: pd.DataFrame) -> float | None:
    measured = rows[rows["reference_tokens"].fillna(0).astype(float) > 0]
    return mean(measured["reasoning_tokens"].astype(float) / measured["reference_tokens"].astype(float))

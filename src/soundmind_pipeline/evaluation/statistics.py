"""Intervals and tests for accuracies on a few hundred problems.

The paper reports bare percentages on 656 items, where a binomial 95% interval is ±3 points; every accuracy here carries
its interval, and two policies are compared on the same problems, pairwise.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a binomial share.

    Args:
        successes: Number of right answers, 0 … n.
        n: Number of answers, at least 1.
        confidence: Coverage, 0.95 for a 95% interval.

    Returns:
        Lower and upper bound, both in [0, 1]; unlike the normal interval they never leave it: at 0 the lower one is
        0, at n the upper one 1.

    Raises:
        ValueError: If ``n`` is not positive or ``successes`` is not within 0 … n.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"wilson_interval needs 0 <= successes <= n and n > 0, got {successes} of {n}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends a rounded sum would leave the share itself just outside.
    return centre - half if successes else 0.0, centre + half if successes < n else 1.0


def mcnemar_exact_p(gained: int, lost: int) -> float:
    """Two-sided exact McNemar test: are changes for the better as likely as changes for the worse?

    Args:
        gained: Problems that were wrong before and are right after.
        lost: Problems that were right before and are wrong after.

    Returns:
        The p value under Binomial(gained + lost, 1/2); 1.0 if nothing changed.
    """
    changed = gained + lost
    # Integers, not floats: 0.5 ** n underflows from about a thousand changed problems on.
    tail = sum(math.comb(changed, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / (1 << changed))


@dataclass(frozen=True)
class PairedDifference:
    """How accuracy changed between two policies on the same problems."""

    difference: float
    """Accuracy after minus accuracy before."""
    low: float
    """Lower bound of the bootstrap interval of the difference."""
    high: float
    """Upper bound of the bootstrap interval of the difference."""
    p: float
    """Exact McNemar p value, two-sided."""
    n: int
    """Number of problems."""
    gained: int
    """Problems wrong before and right after."""
    lost: int
    """Problems right before and wrong after."""


def bootstrap_interval(
    values: Iterable[float], samples: int, seed: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean over problems.

    Drawing n problems with replacement is one multinomial draw over the counts of the distinct values: exact, and free
    of an [samples, n] matrix where the values are few, as differences of right and wrong answers are.

    Args:
        values: [n] floats, one a problem.
        samples: Number of bootstrap samples.
        seed: Seed of the bootstrap.
        confidence: Coverage of the interval.

    Returns:
        Lower and upper bound.

    Raises:
        ValueError: There are no values, or one is NaN.
    """
    given = np.asarray(list(values), dtype=float)
    if not given.size or np.isnan(given).any():
        raise ValueError(f"bootstrap_interval needs one or more numbers, got {given}")
    levels, counts = np.unique(given, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(given.size, counts / given.size, size=samples)
    low, high = np.quantile(draws @ levels / given.size, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def paired_difference(
    before: np.ndarray, after: np.ndarray, samples: int, seed: int, confidence: float = 0.95
) -> PairedDifference:
    """Compare two policies problem by problem.

    The interval is that of :func:`bootstrap_interval` for the problems' differences, each −1, 0 or +1.

    Args:
        before: bool [n], was the first policy right on problem i?
        after: bool [n], was the second policy right on the same problem?
        samples: Number of bootstrap samples.
        seed: Seed of the bootstrap.
        confidence: Coverage of the interval.

    Raises:
        ValueError: If the arrays differ in length or are empty.
    """
    before, after = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    if before.shape != after.shape or before.ndim != 1 or not before.size:
        raise ValueError(
            f"paired_difference needs two equally long, non-empty arrays, got {before.shape}, {after.shape}"
        )
    n = before.size
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    low, high = bootstrap_interval(after.astype(float) - before, samples, seed, confidence)
    return PairedDifference((gained - lost) / n, low, high, mcnemar_exact_p(gained, lost), n, gained, lost)

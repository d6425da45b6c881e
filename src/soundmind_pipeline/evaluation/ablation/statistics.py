"""Intervals and tests where every policy answers the same problems, trained with several seeds.

Answers to one problem are alike over the seeds, and answers of one seed are alike over the problems; a test that took
all of them for independent would find effects everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_CHUNK: Final = 500
"""Random draws at once: bounds the memory at 500 x problems."""


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
class ClusteredDifference:
    """How accuracy differs between two arms whose seeds answered the same problems."""

    difference: float
    """Mean accuracy of the one minus that of the other."""
    low: float
    """Lower bound of the interval over problems and seeds."""
    high: float
    """Its upper bound."""
    p: float
    """Two-sided sign-flip test over problems, all seeds of a problem as one."""
    by_seed: tuple[float, ...]
    """The difference at each seed."""


def clustered_difference(
    one: np.ndarray, other: np.ndarray, samples: int, seed: int, confidence: float = 0.95
) -> ClusteredDifference:
    """Compare two arms, problem by problem and seed by seed.

    The interval is a percentile bootstrap that draws problems and seeds, both with replacement and independently (the
    pigeonhole bootstrap, Owen 2007, which errs on the wide side): it holds for other problems and for other seeds. With
    one seed it holds for that seed alone. The test flips the sign of each problem's difference, averaged over seeds: if
    the arms do not differ, each sign is as likely; it is the paired test of these very policies.

    Args:
        one: bool [seeds, problems], was the first arm right?
        other: bool [seeds, problems], was the second, at the same seeds and problems?
        samples: Bootstrap samples, and random flips.
        seed: Seed of both.
        confidence: Coverage of the interval.

    Raises:
        ValueError: The arrays differ in shape, or are empty.
    """
    if one.shape != other.shape or one.ndim != 2 or not one.size:
        raise ValueError(f"clustered_difference needs two arrays [seeds, problems], got {one.shape}, {other.shape}")
    differences = one.astype(float) - other.astype(float)  # [seeds, problems]
    rng = np.random.default_rng(seed)
    drawn = _bootstrap_means(differences, samples, rng)
    low, high = np.quantile(drawn, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return ClusteredDifference(
        difference=float(differences.mean()),
        low=float(low),
        high=float(high),
        p=_sign_flip_p(differences.mean(axis=0), samples, rng),
        by_seed=tuple(float(value) for value in differences.mean(axis=1)),
    )


def _bootstrap_means(differences: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Means of ``differences`` [seeds, problems] with rows and columns drawn with replacement: [samples]."""
    seeds, problems = differences.shape
    means = []
    for start in range(0, samples, _CHUNK):
        count = min(_CHUNK, samples - start)
        columns = rng.multinomial(problems, np.full(problems, 1 / problems), size=count)  # [count, problems]
        rows = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=count)  # [count, seeds]
        means.append(((columns @ differences.T) * rows).sum(axis=1) / (seeds * problems))
    return np.concatenate(means)


def _sign_flip_p(differences: np.ndarray, samples: int, rng: np.random.Generator) -> float:
    """Share of random sign patterns with a mean at least as far from 0, the observed one among them."""
    changed = differences[differences != 0]
    observed = abs(changed.sum())
    hits = 0
    for start in range(0, samples, _CHUNK):
        signs = rng.integers(0, 2, size=(min(_CHUNK, samples - start), changed.size)) * 2 - 1
        # Sums of thirds are not exact: equal ones must count as equal.
        hits += int((np.abs(signs @ changed) >= observed - 1e-9).sum())
    return (hits + 1) / (samples + 1)

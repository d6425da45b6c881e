"""Several answers to each problem: how often one of k is right (pass@k), and how often their vote is (majority@k)."""

from math import comb
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.evaluation.statistics import bootstrap_interval

PASS_AT: Final = (1, 2, 4, 8, 16, 32, 64)
MAJORITY_AT: Final = (1, 3, 5, 8, 16, 32, 64)


def pass_at_k(n: int, right: int, k: int) -> float:
    """The chance that one of k answers is right, k of the n being drawn without replacement.

    The unbiased estimator of Chen et al. 2021 (arXiv 2107.03374, eq. 1): 1 - C(n - right, k) / C(n, k).

    Args:
        n: Answers to one problem.
        right: How many of them are right.
        k: 1 … n.

    Raises:
        ValueError: ``right`` or ``k`` is out of range.
    """
    if not (0 <= right <= n and 1 <= k <= n):
        raise ValueError(f"pass_at_k needs 0 <= right <= n and 1 <= k <= n, got n {n}, right {right}, k {k}")
    return 1 - comb(n - right, k) / comb(n, k)


def majority_at_k(right: int, wrong: int, invalid: int, k: int) -> float:
    """The chance that the vote of k answers is right, k of all being drawn without replacement: exact, no simulation.

    Answers without a verdict do not vote; a tie is decided by a coin, and a vote that nobody takes part in is wrong.

    Args:
        right: Answers to one problem with the right verdict.
        wrong: Answers with the wrong verdict.
        invalid: Answers without a verdict.
        k: 1 … all of them.

    Raises:
        ValueError: A count or ``k`` is out of range.
    """
    n = right + wrong + invalid
    if min(right, wrong, invalid) < 0 or not 1 <= k <= n:
        raise ValueError(f"majority_at_k needs counts and 1 <= k <= n, got {right}, {wrong}, {invalid}, k {k}")
    won = 0.0
    for ayes in range(min(right, k) + 1):
        for noes in range(min(wrong, k - ayes) + 1):
            ways = comb(right, ayes) * comb(wrong, noes) * comb(invalid, k - ayes - noes)
            won += ways * (1.0 if ayes > noes else 0.5 if ayes == noes > 0 else 0.0)
    return won / comb(n, k)


def summarise_sampled(rows: pd.DataFrame, samples: int, seed: int) -> dict[str, Any]:
    """Figures of one policy in one setting.

    Args:
        rows: Rows of ``Examiner.sample``, the same number for each problem.
        samples: Bootstrap samples.
        seed: Seed of the bootstrap.

    Returns:
        ``n`` (answers a problem), ``temperature``, ``problems``, and ``pass_at`` and ``majority_at`` by k (as text):
        each the mean over problems, ``value``, with its bootstrap interval over problems, ``ci95``.
    """
    answers = rows.assign(right=rows["right"].astype(int), invalid=rows["verdict"].isna()).groupby("uid", sort=False)
    right, invalid = answers["right"].sum().tolist(), answers["invalid"].sum().tolist()
    n = int(answers.size().iloc[0])
    counts = [(ayes, n - ayes - nothing, nothing) for ayes, nothing in zip(right, invalid, strict=True)]

    def cell(values: list[float]) -> dict[str, Any]:
        return {"value": sum(values) / len(values), "ci95": list(bootstrap_interval(values, samples, seed))}

    return {
        "n": n,
        "temperature": float(rows["temperature"].iloc[0]),
        "problems": len(counts),
        "pass_at": {str(k): cell([pass_at_k(n, ayes, k) for ayes in right]) for k in PASS_AT if k <= n},
        "majority_at": {str(k): cell([majority_at_k(*votes, k) for votes in counts]) for k in MAJORITY_AT if k <= n},
    }

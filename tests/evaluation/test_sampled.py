"""pass@k and majority@k against brute force over every subset of the answers."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.evaluation.sampled import majority_at_k, pass_at_k, summarise_sampled


def of_every_subset(answers, k, value):
    subsets = list(combinations(answers, k))
    return sum(value(subset) for subset in subsets) / len(subsets)


def vote(subset):
    right, wrong = subset.count("right"), subset.count("wrong")
    return 1.0 if right > wrong else 0.5 if right == wrong > 0 else 0.0


@pytest.mark.parametrize("counts", [(3, 4, 1), (0, 5, 0), (5, 0, 1), (1, 1, 3), (0, 0, 4), (2, 2, 0)])
def test_both_are_the_mean_over_every_subset(counts):
    answers = [kind for kind, n in zip(("right", "wrong", "none"), counts, strict=True) for _ in range(n)]
    for k in range(1, len(answers) + 1):
        assert pass_at_k(len(answers), counts[0], k) == pytest.approx(
            of_every_subset(answers, k, lambda subset: float("right" in subset))
        )
        assert majority_at_k(*counts, k) == pytest.approx(of_every_subset(answers, k, vote))


def test_pass_at_k_as_the_papers_code_computes_it():
    # Chen et al. 2021, figure 3.
    for n, right, k in ((10, 3, 5), (200, 7, 100), (200, 0, 1), (200, 150, 100)):
        expected = 1.0 if n - right < k else 1.0 - np.prod(1.0 - k / np.arange(n - right + 1, n + 1))
        assert pass_at_k(n, right, k) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "right", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 0), (4, 2, 5)])
def test_impossible_numbers_are_refused(n, right, k):
    with pytest.raises(ValueError, match="pass_at_k"):
        pass_at_k(n, right, k)
    with pytest.raises(ValueError, match="majority_at_k"):
        majority_at_k(right, n - right, 0, k if right <= n and right >= 0 else 0)


def test_summary_by_hand(prediction):
    right = {"a": [True] * 4, "b": [True, False, False, False], "c": [False] * 4}
    rows = [
        prediction(uid, is_right, policy="rl", sample=k, temperature=0.9)
        for uid, answers in right.items()
        for k, is_right in enumerate(answers)
    ]
    rows[-1]["verdict"] = None
    figures = summarise_sampled(pd.DataFrame(rows), samples=2000, seed=0)
    assert (figures["n"], figures["temperature"], figures["problems"]) == (4, 0.9, 3)
    assert {k: cell["value"] for k, cell in figures["pass_at"].items()} == pytest.approx(
        {"1": 1.25 / 3, "2": 1.5 / 3, "4": 2 / 3}
    )
    # "b": of three answers one right and two wrong whichever are drawn, or three wrong.
    assert {k: cell["value"] for k, cell in figures["majority_at"].items()} == pytest.approx(
        {"1": 1.25 / 3, "3": 1 / 3}
    )
    low, high = figures["pass_at"]["1"]["ci95"]
    assert low == 0.0
    assert high == pytest.approx(1.0)

"""Intervals and tests against statsmodels, scipy, and cases worked by hand."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from soundmind_pipeline.evaluation.statistics import (
    bootstrap_interval,
    mcnemar_exact_p,
    paired_difference,
    wilson_interval,
)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (5, 10), (312, 500), (0, 500), (500, 500), (534, 656)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_agrees_with_statsmodels(successes, n, confidence):
    expected = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    assert wilson_interval(successes, n, confidence) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [1, 17, 42, 48, 360, 500])
def test_wilson_holds_the_share_itself_at_both_ends(n):
    assert wilson_interval(0, n)[0] == 0.0
    assert wilson_interval(n, n)[1] == 1.0


def test_wilson_by_hand():
    # z² = 3.8415: centre (0.5 + 0.19207) / 1.38415, half width 1.95996 / 1.38415 · sqrt(0.025 + 0.0096036)
    assert wilson_interval(5, 10) == pytest.approx((0.23659, 0.76341), abs=1e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(successes, n):
    with pytest.raises(ValueError, match="wilson_interval"):
        wilson_interval(successes, n)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (10, 2), (3, 3), (140, 10), (700, 650)])
def test_mcnemar_agrees_with_statsmodels(gained, lost):
    expected = mcnemar([[100, gained], [lost, 100]], exact=True).pvalue if gained + lost else 1.0
    assert mcnemar_exact_p(gained, lost) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_hand():
    # Ten problems changed, one for the worse: 2 · (1 + 10) / 2**10.
    assert mcnemar_exact_p(9, 1) == pytest.approx(22 / 1024)


def test_mcnemar_survives_many_changes():
    assert 0 < mcnemar_exact_p(1200, 1000) < 1e-4
    assert mcnemar_exact_p(3000, 0) == 0.0  # below the smallest float, not an error


def test_paired_difference_counts_by_hand():
    before = np.array([1, 1, 0, 0, 0, 1, 0, 0, 1, 0], dtype=bool)
    after = np.array([1, 0, 1, 1, 1, 1, 0, 1, 1, 0], dtype=bool)
    result = paired_difference(before, after, samples=1000, seed=3)
    assert (result.gained, result.lost, result.n) == (4, 1, 10)
    assert result.difference == pytest.approx(0.3)
    assert result.p == pytest.approx(2 * (1 + 5) / 2**5)
    assert result.low < 0.3 < result.high


def test_paired_interval_agrees_with_scipys_bootstrap():
    rng = np.random.default_rng(1)
    before, after = rng.random(400) < 0.62, rng.random(400) < 0.85
    ours = paired_difference(before, after, samples=20_000, seed=0)
    change = after.astype(int) - before.astype(int)
    reference = stats.bootstrap(
        (change,), np.mean, n_resamples=5000, method="percentile", vectorized=True, rng=np.random.default_rng(0)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=0.006)


@pytest.mark.parametrize("values", ["few", "many"])
def test_bootstrap_interval_agrees_with_scipy(values):
    rng = np.random.default_rng(2)
    given = rng.integers(0, 4, 300) / 3 if values == "few" else rng.exponential(size=300)
    ours = bootstrap_interval(given, samples=20_000, seed=0)
    reference = stats.bootstrap(
        (given,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(0), batch=1000
    ).confidence_interval
    assert ours == pytest.approx((reference.low, reference.high), abs=0.006)
    assert bootstrap_interval(given, 500, seed=3) == bootstrap_interval(given, 500, seed=3)
    narrow = bootstrap_interval(given, 20_000, seed=0, confidence=0.5)
    assert ours[0] < narrow[0] < given.mean() < narrow[1] < ours[1]


def test_bootstrap_interval_of_equal_values_is_that_value():
    assert bootstrap_interval([0.25] * 9, samples=100, seed=0) == (0.25, 0.25)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")]])
def test_bootstrap_interval_refuses_what_has_no_mean(values):
    with pytest.raises(ValueError, match="bootstrap_interval"):
        bootstrap_interval(values, 100, seed=0)


def test_paired_difference_is_seeded():
    before, after = np.arange(50) % 3 == 0, np.arange(50) % 2 == 0
    assert paired_difference(before, after, 500, seed=1) == paired_difference(before, after, 500, seed=1)


def test_policies_that_agree_everywhere_do_not_differ():
    answers = np.array([True, False, True])
    result = paired_difference(answers, answers, 200, seed=0)
    assert (result.difference, result.low, result.high, result.p) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(("before", "after"), [([], []), ([True], [True, False])])
def test_paired_difference_refuses_unpaired_answers(before, after):
    with pytest.raises(ValueError, match="paired_difference"):
        paired_difference(np.array(before), np.array(after), 100, seed=0)

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as t_distribution
from scipy.stats import ttest_rel
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.weightstats import DescrStatsW

from soundmind_pipeline.evaluation.ablation.statistics import crossed_difference, t_interval
from soundmind_pipeline.evaluation.statistics import paired_difference


def answers(shares, problems=200, seed=0):
    """bool [seeds, problems]; problems differ in how hard they are, and seeds in how good they are."""
    rng = np.random.default_rng(seed)
    hardness = rng.uniform(-0.3, 0.3, problems)
    return np.stack([rng.uniform(size=problems) < share + hardness for share in shares])


def test_interval_of_a_mean_by_hand():
    # mean 0.8, sd 0.1, t(2, 0.975) = 4.302653: 0.8 ± 4.302653 * 0.1 / sqrt(3)
    assert t_interval([0.7, 0.8, 0.9]) == pytest.approx((0.5515862, 1.0484138), abs=1e-6)
    assert t_interval([0.7]) is None
    assert t_interval([0.5, 0.5]) == (0.5, 0.5)


@pytest.mark.parametrize("values", [[0.1, 0.4], [0.9, 0.95, 0.91, 0.99, 0.97]])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_interval_of_a_mean_is_that_of_statsmodels(values, confidence):
    assert t_interval(values, confidence) == pytest.approx(DescrStatsW(values).tconfint_mean(1 - confidence))


def test_one_seed_is_the_paired_t_test_of_scipy():
    one, other = answers([0.7]), answers([0.5], seed=1)
    ours = crossed_difference(one, other)
    peer = ttest_rel(one[0].astype(float), other[0].astype(float))
    interval = peer.confidence_interval()
    assert (ours.low, ours.high, ours.p) == pytest.approx((interval.low, interval.high, peer.pvalue))
    beside = paired_difference(other[0], one[0], samples=20_000, seed=0)  # bootstrap, exact McNemar
    assert ours.difference == pytest.approx(beside.difference)
    assert (ours.low, ours.high) == pytest.approx((beside.low, beside.high), abs=0.006)
    assert ours.p == pytest.approx(beside.p, abs=0.005)


def test_mean_squares_are_those_of_statsmodels():
    one, other = answers([0.75, 0.6, 0.5], problems=40), answers([0.45, 0.5, 0.5], problems=40, seed=3)
    values = (one.astype(float) - other.astype(float)).ravel()
    seed, problem = np.repeat([0, 1, 2], 40), np.tile(np.arange(40), 3)
    layout = pd.DataFrame({"value": values, "seed": seed, "problem": problem})
    table = anova_lm(ols("value ~ C(seed) + C(problem)", layout).fit())
    by_seed, by_problem, rest = table["mean_sq"]
    total = by_seed + by_problem - rest
    assert by_seed > rest
    freedom = total**2 / (by_seed**2 / 2 + by_problem**2 / 39 + rest**2 / 78)
    half = t_distribution.ppf(0.975, freedom) * np.sqrt(total / 120)
    ours = crossed_difference(one, other)
    assert (ours.low, ours.high) == pytest.approx((values.mean() - half, values.mean() + half))
    at_the_bound = crossed_difference(one, other, confidence=1 - ours.p)
    assert min(abs(at_the_bound.low), abs(at_the_bound.high)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.1])
def test_the_interval_covers_about_what_it_says_whether_problems_or_seeds_decide(spread):
    rng = np.random.default_rng(0)
    covered, rounds, effect = 0, 500, -0.05
    for _ in range(rounds):
        hardness, seeds = rng.uniform(-0.1, 0.1, 200), rng.normal(effect, spread, (3, 1))
        one, other = (rng.uniform(size=(3, 200)) < share for share in (0.5 + hardness + seeds, 0.5 + hardness))
        test = crossed_difference(one, other)
        covered += test.low <= effect <= test.high
    assert 0.9 <= covered / rounds <= 0.98


def test_seeds_that_agree_are_no_new_problems():
    one, other = answers([0.7]), answers([0.6], seed=1)
    single = crossed_difference(one, other)
    copied = crossed_difference(np.repeat(one, 10, axis=0), np.repeat(other, 10, axis=0))
    assert (copied.low, copied.high, copied.p) == pytest.approx((single.low, single.high, single.p))


def test_seeds_that_disagree_widen_the_interval():
    other = answers([0.5, 0.5, 0.5], seed=1)
    steady = crossed_difference(answers([0.6, 0.6, 0.6]), other)
    jumpy = crossed_difference(answers([0.3, 0.6, 0.9]), other)
    assert jumpy.high - jumpy.low > 5 * (steady.high - steady.low)
    assert jumpy.low < 0 < jumpy.high and jumpy.p > 0.05 > steady.p


def test_by_seed_and_no_change():
    one = np.array([[True, True], [True, False]])
    other = np.array([[True, False], [False, False]])
    test = crossed_difference(one, other)
    assert (test.difference, test.by_seed) == (0.5, (0.5, 0.5))
    same = crossed_difference(one, one)
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    always = crossed_difference(np.ones((2, 3), bool), np.zeros((2, 3), bool))
    assert (always.low, always.high, always.p) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("shape", [(0, 3), (3,), (2, 4), (2, 1)])
def test_arrays_must_match(shape):
    other = np.ones(shape if shape == (2, 1) else (2, 3), bool)
    with pytest.raises(ValueError, match="two arrays"):
        crossed_difference(np.ones(shape, bool), other)

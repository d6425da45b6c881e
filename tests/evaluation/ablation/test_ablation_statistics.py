import numpy as np
import pytest
from scipy.stats import permutation_test
from statsmodels.stats.weightstats import DescrStatsW

from soundmind_pipeline.evaluation.ablation.statistics import clustered_difference, t_interval
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


def test_one_seed_is_the_paired_comparison():
    one, other = answers([0.7]), answers([0.5], seed=1)
    ours = clustered_difference(one, other, samples=20_000, seed=0)
    peer = paired_difference(other[0], one[0], samples=20_000, seed=0)
    assert ours.difference == pytest.approx(peer.difference)
    assert (ours.low, ours.high) == pytest.approx((peer.low, peer.high), abs=0.006)
    assert ours.p == pytest.approx(peer.p, abs=0.005)  # flips of ±1 are McNemar's binomial


def test_p_is_that_of_scipy_on_the_problems_means():
    one, other = answers([0.6, 0.64, 0.5], problems=12), answers([0.45, 0.5, 0.5], problems=12, seed=3)
    ours = clustered_difference(one, other, samples=40_000, seed=0)
    exact = permutation_test(
        (one.mean(axis=0), other.mean(axis=0)), lambda a, b: np.mean(a - b), permutation_type="samples",
        n_resamples=np.inf,
    )  # fmt: skip
    assert ours.p == pytest.approx(exact.pvalue, abs=0.01)


def test_seeds_that_agree_are_no_new_problems():
    one, other = answers([0.7]), answers([0.6], seed=1)
    single = clustered_difference(one, other, samples=4000, seed=0)
    copied = clustered_difference(np.repeat(one, 10, axis=0), np.repeat(other, 10, axis=0), samples=4000, seed=0)
    assert copied.high - copied.low == pytest.approx(single.high - single.low, rel=0.1)
    assert copied.p == pytest.approx(single.p, abs=0.02)


def test_seeds_that_disagree_widen_the_interval():
    other = answers([0.5, 0.5, 0.5], seed=1)
    steady = clustered_difference(answers([0.6, 0.6, 0.6]), other, samples=4000, seed=0)
    jumpy = clustered_difference(answers([0.3, 0.6, 0.9]), other, samples=4000, seed=0)
    assert jumpy.high - jumpy.low > 2 * (steady.high - steady.low)
    assert jumpy.low < 0 < jumpy.high


def test_by_seed_and_no_change():
    one = np.array([[True, True], [True, False]])
    other = np.array([[True, False], [False, False]])
    test = clustered_difference(one, other, samples=100, seed=0)
    assert (test.difference, test.by_seed) == (0.5, (0.5, 0.5))
    same = clustered_difference(one, one, samples=100, seed=0)
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("shape", [(0, 3), (3,), (2, 4)])
def test_arrays_must_match(shape):
    with pytest.raises(ValueError, match="two arrays"):
        clustered_difference(np.ones(shape, bool), np.ones((2, 3), bool), samples=100, seed=0)

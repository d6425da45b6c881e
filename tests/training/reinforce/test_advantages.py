import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from soundmind_pipeline.training.reinforce.advantages import (
    compute_advantages,
    returns_to_go,
    subtract_baseline,
    whiten,
)
from soundmind_pipeline.training.reinforce.params import PRESETS, AlgorithmParams

torch.set_num_threads(1)


def test_returns_to_go_by_hand():
    # R = 4 and 1, β = 0.5; the KL of the tokens from t on: 6, 5, 3 and 4, 4 (the last position is padding)
    kl = torch.tensor([[1.0, 2.0, 3.0], [0.0, 4.0, 99.0]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    returns = returns_to_go(torch.tensor([4.0, 1.0]), kl, mask, beta=0.5)
    assert returns.tolist() == [[1.0, 1.5, 2.5], [-1.0, -1.0, 0.0]]


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        # groups [4, 1, 1] (mean 2, variance (4+1+1)/2 = 3) and [2, 2, 2] (tied)
        ("none", [4, 1, 1, 2, 2, 2]),
        ("group_mean", [2, -1, -1, 0, 0, 0]),
        ("leave_one_out", [3, -1.5, -1.5, 0, 0, 0]),
        ("group_norm", [2 / math.sqrt(3), -1 / math.sqrt(3), -1 / math.sqrt(3), 0, 0, 0]),
    ],
)
def test_baselines_by_hand(baseline, expected):
    rewards = torch.tensor([4.0, 1, 1, 2, 2, 2])
    assert subtract_baseline(rewards, 3, baseline).tolist() == pytest.approx(expected, rel=1e-5, abs=0)


@pytest.mark.parametrize("baseline", ["group_mean", "group_norm", "leave_one_out"])
def test_a_tied_group_gives_exact_zeros_in_spite_of_rounding(baseline):
    rewards = torch.tensor([3.3] * 7 + [0.1] * 7, dtype=torch.float64)
    assert (rewards[7:] - rewards[7:].mean()).abs().max() > 0  # the mean is not exact
    assert subtract_baseline(rewards, 7, baseline).tolist() == [0.0] * 14


def test_groups_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        subtract_baseline(torch.ones(4), 1, "group_mean")
    with pytest.raises(ValueError, match="groups of 3"):
        subtract_baseline(torch.ones(4), 3, "group_mean")


def test_whitening_by_hand():
    # valid: 1, 3, 5, 7: mean 4, variance (9 + 1 + 1 + 9) / 4 = 5
    advantages = torch.tensor([[1.0, 3.0, math.nan], [5.0, 7.0, math.inf]])
    mask = torch.tensor([[True, True, False], [True, True, False]])
    expected = torch.tensor([[-3.0, -1.0, 0.0], [1.0, 3.0, 0.0]]) / math.sqrt(5)
    torch.testing.assert_close(whiten(advantages, mask), expected)


def test_whitened_advantages_have_mean_zero_and_deviation_one():
    torch.manual_seed(0)
    mask = torch.rand(16, 40) < 0.6
    advantages = whiten(1000.0 + 0.01 * torch.randn(16, 40, dtype=torch.float64), mask)
    valid = advantages[mask]
    assert abs(valid.mean()) < 1e-9
    assert abs(valid.std(correction=0) - 1) < 1e-5
    assert (advantages[~mask] == 0).all()


@pytest.mark.parametrize("value", [0.0, 4.0, 3.3, -1e6])
def test_whitening_equal_advantages_gives_zeros(value):
    mask = torch.rand(8, 30) < 0.7
    assert (whiten(torch.full((8, 30), value), mask) == 0).all()


def test_whitening_an_empty_mask_gives_zeros():
    assert (whiten(torch.randn(2, 3), torch.zeros(2, 3, dtype=torch.bool)) == 0).all()


def random_batch(lengths=(5, 3, 7, 1, 4, 6), width=7):
    generator = torch.Generator().manual_seed(3)
    mask = torch.arange(width) < torch.tensor(lengths).unsqueeze(1)
    rewards = torch.tensor([4.0, 1.5, 0.0, 3.25, 3.25, 1.0], dtype=torch.float64)
    kl = 0.3 * torch.randn(len(lengths), width, generator=generator, dtype=torch.float64)
    return rewards, kl, mask


OVERRIDES = [
    {},
    {"kl_beta": 0.5},
    {"kl_beta": 0.5, "kl_placement": "reward"},
    {"kl_beta": 0.5, "kl_placement": "loss"},
    {"whitening": True},
    {"whitening": False, "kl_placement": "reward", "kl_beta": 2.0},
]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("overrides", OVERRIDES, ids=str)
def test_every_algorithm_agrees_with_the_loop_from_the_papers(loop_reference, name, overrides):
    params = AlgorithmParams(name=name, **overrides)
    rewards, kl, mask = random_batch()
    advantages = compute_advantages(rewards, kl, mask, group_size=3, params=params)
    rows = [row[valid].tolist() for row, valid in zip(kl, mask, strict=True)]
    expected = loop_reference.advantages(rewards.tolist(), rows, 3, params)
    for row, valid, wanted in zip(advantages, mask, expected, strict=True):
        torch.testing.assert_close(row[valid], torch.tensor(wanted, dtype=torch.float64), rtol=1e-9, atol=1e-9)
        assert (row[~valid] == 0).all()


@pytest.mark.parametrize("name", PRESETS)
def test_padding_changes_nothing(name):
    params = AlgorithmParams(name=name, kl_beta=0.5)
    rewards, kl, mask = random_batch()
    padded_kl = torch.nn.functional.pad(kl, (0, 9), value=math.nan)
    padded_mask = torch.nn.functional.pad(mask, (0, 9), value=False)
    advantages = compute_advantages(rewards, kl, mask, 3, params)
    padded = compute_advantages(rewards, padded_kl, padded_mask, 3, params)
    torch.testing.assert_close(padded[:, :7], advantages, rtol=1e-12, atol=1e-12)
    assert (padded[:, 7:] == 0).all()


def test_whitening_and_totals_span_the_ranks(tmp_path):
    rewards, kl, mask = random_batch()
    script = Path(__file__).with_name("whiten_on_a_rank.py")
    ranks = []
    for rank, rows in enumerate([slice(0, 2), slice(2, 6)]):  # unequal shares
        torch.save((rewards[rows], kl[rows], mask[rows]), tmp_path / f"{rank}.in")
        ranks.append(subprocess.Popen([sys.executable, script, str(rank), tmp_path]))
    assert [rank.wait(timeout=600) for rank in ranks] == [0, 0]
    parts = [torch.load(tmp_path / f"{rank}.out") for rank in (0, 1)]
    whole = compute_advantages(rewards, kl, mask, 1, AlgorithmParams(kl_beta=0.5))
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), whole, rtol=1e-12, atol=1e-12)
    assert [part[1:] for part in parts] == [(3.0, 26.0, 6.0)] * 2

import math

import pytest
import torch

from soundmind_pipeline.training.reinforce.losses import BatchTotals, batch_totals, policy_loss, token_weights
from soundmind_pipeline.training.reinforce.params import PRESETS, AlgorithmParams

torch.set_num_threads(1)
MASK = torch.tensor([[True, True, True], [True, False, False]])


def logs(*rows):
    return torch.tensor(rows, dtype=torch.float64).log()


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        # 4 tokens in 2 responses, of 3 and 1 tokens; constant length 10
        ("token_mean", [[1 / 4, 1 / 4, 1 / 4], [1 / 4, 0, 0]]),
        ("sequence_mean", [[1 / 6, 1 / 6, 1 / 6], [1 / 2, 0, 0]]),
        ("constant_length", [[1 / 20, 1 / 20, 1 / 20], [1 / 20, 0, 0]]),
    ],
)
def test_token_weights_by_hand(aggregation, expected):
    totals = batch_totals(MASK, constant_length=10)
    assert totals == BatchTotals(tokens=4, sequences=2, constant_length=10)
    torch.testing.assert_close(token_weights(MASK, aggregation, totals), torch.tensor(expected))


@pytest.mark.parametrize("aggregation", ["token_mean", "sequence_mean", "constant_length"])
def test_weights_of_a_batch_without_valid_tokens_are_zero(aggregation):
    empty = torch.zeros(2, 3, dtype=torch.bool)
    totals = batch_totals(empty, constant_length=10)
    assert totals == BatchTotals(0, 0, 10)
    assert (token_weights(empty, aggregation, totals) == 0).all()


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        # clip to [0.8, 1.28]; slope = d loss / d log π = -ratio · A where not clipped
        (1.0, 2.0, -2.0, -2.0),
        (1.1, 2.0, -2.2, -2.2),
        (1.5, 2.0, -2.56, 0.0),  # clipped high: 1.28 · 2
        (0.5, 2.0, -1.0, -1.0),  # a good token that became unlikely is still pulled up
        (0.5, -2.0, 1.6, 0.0),  # clipped low: 0.8 · 2
        (1.5, -2.0, 3.0, 3.0),
        (9.0, -2.0, 6.0, 0.0),  # dual clip: at most 3 · 2
        (2.9, -2.0, 5.8, 5.8),
    ],
)
def test_clipping_by_hand(ratio, advantage, loss, slope):
    params = AlgorithmParams(clip_low=0.2, clip_high=0.28, dual_clip=3.0)
    log_probs = logs([ratio * 0.1]).requires_grad_()
    mask = torch.ones(1, 1, dtype=torch.bool)
    totals = BatchTotals(tokens=1, sequences=1, constant_length=1)
    result = policy_loss(log_probs, logs([0.1]), torch.tensor([[advantage]]), mask, totals, params)
    result.loss.backward()
    assert result.loss.item() == pytest.approx(loss)
    assert log_probs.grad.item() == pytest.approx(slope)


def test_statistics_by_hand():
    # ratios 1, 1.5 (clipped high), 0.5 (clipped low), 1.5 with a negative advantage (not clipped); the last is padding
    params = AlgorithmParams(dual_clip=1.25)
    new, old = logs([0.1, 0.15, 0.05, 0.15, 0.9]), logs([0.1, 0.1, 0.1, 0.1, 0.1])
    mask = torch.tensor([[True, True, True, True, False]])
    advantages = torch.tensor([[1.0, 1.0, -1.0, -1.0, 1.0]])
    statistics = policy_loss(new, old, advantages, mask, batch_totals(mask, 5), params).statistics
    expected = {
        "clip_fraction": 0.5,
        "clip_fraction_high": 0.25,
        "clip_fraction_low": 0.25,
        "dual_clip_fraction": 0.25,
        "ratio": 4.5 / 4,
        "approx_kl": (0.5 - math.log(1.5) + -0.5 - math.log(0.5) + 0.5 - math.log(1.5)) / 4,
        "policy_loss": (-1.0 - 1.2 + 0.8 + 1.25) / 4,
        "kl_loss": 0.0,
    }
    assert {name: value.item() for name, value in statistics.items()} == pytest.approx(expected)


def test_a_kl_loss_by_hand():
    # ratio 1 and advantage 0 leave β · k2 alone: 0.5 · mean(ln²2 / 2, 0)
    params = AlgorithmParams(name="reinforce_pp_baseline", kl_beta=0.5)
    new, reference, mask = logs([0.4, 0.3]), logs([0.2, 0.3]), torch.ones(1, 2, dtype=torch.bool)
    result = policy_loss(new, new, torch.zeros(1, 2), mask, batch_totals(mask, 2), params, reference)
    assert result.loss.item() == pytest.approx(0.5 * math.log(2) ** 2 / 4)
    assert result.statistics["kl_loss"].item() == pytest.approx(math.log(2) ** 2 / 4)
    with pytest.raises(ValueError, match="reference_log_probs"):
        policy_loss(new, new, torch.zeros(1, 2), mask, batch_totals(mask, 2), params)


def random_batch(lengths=(5, 3, 7, 1, 4, 6), width=7):
    generator = torch.Generator().manual_seed(5)

    def normal():
        return torch.randn(len(lengths), width, generator=generator, dtype=torch.float64)

    mask = torch.arange(width) < torch.tensor(lengths).unsqueeze(1)
    old = -normal().abs() - 0.1
    return old + 0.4 * normal(), old, old + 0.2 * normal(), normal(), mask


OVERRIDES = [{}, {"kl_beta": 0.3, "kl_placement": "loss"}, {"dual_clip": 1.3}, {"clip_high": 0.5, "clip_low": 0.1}]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("overrides", OVERRIDES, ids=str)
def test_every_algorithm_agrees_with_the_loop_from_the_papers(loop_reference, name, overrides):
    params = AlgorithmParams(name=name, **overrides)
    new, old, reference, advantages, mask = random_batch()
    result = policy_loss(new, old, advantages, mask, batch_totals(mask, 9), params, reference)
    ragged = [
        [row[valid].tolist() for row, valid in zip(tensor, mask, strict=True)]
        for tensor in (new, old, reference, advantages)
    ]
    assert result.loss.item() == pytest.approx(loop_reference.loss(*ragged, params, 9), rel=1e-6)


def gradient(new, parts, old, reference, advantages, mask, params):
    """The summed gradient of the micro-batches ``parts`` (row indices), each cut to its longest row."""
    totals = batch_totals(mask, 9)
    leaf = new.clone().requires_grad_()
    loss, statistics = 0.0, {}
    for rows in parts:
        width = int(mask[rows].sum(dim=1).max())
        cut = [tensor[rows][:, :width] for tensor in (leaf, old, advantages, mask)]
        result = policy_loss(*cut, totals, params, reference[rows][:, :width])
        result.loss.backward()
        loss += result.loss.item()
        for name, value in result.statistics.items():
            statistics[name] = statistics.get(name, 0.0) + value.item()
    return loss, leaf.grad, statistics


@pytest.mark.parametrize("name", PRESETS)
def test_any_split_into_micro_batches_gives_the_same_loss_gradient_and_statistics(name):
    params = AlgorithmParams(name=name, kl_beta=0.1)
    new, old, reference, advantages, mask = random_batch()
    whole = gradient(new, [[0, 1, 2, 3, 4, 5]], old, reference, advantages, mask, params)
    for parts in ([[0], [1], [2], [3], [4], [5]], [[3, 1], [4, 0, 5, 2]]):
        split = gradient(new, parts, old, reference, advantages, mask, params)
        assert split[0] == pytest.approx(whole[0], rel=1e-9)
        torch.testing.assert_close(split[1], whole[1], rtol=1e-9, atol=1e-12)
        assert split[2] == pytest.approx(whole[2], rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("name", PRESETS)
def test_padding_changes_neither_loss_nor_gradient(name):
    params = AlgorithmParams(name=name, kl_beta=0.1, kl_placement="loss", dual_clip=3.0)
    new, old, reference, advantages, mask = random_batch()
    plain = gradient(new, [[0, 1, 2, 3, 4, 5]], old, reference, advantages, mask, params)
    padding = {"pad": (0, 4), "value": math.nan}
    leaf = torch.nn.functional.pad(new, **padding).requires_grad_()
    padded = [torch.nn.functional.pad(tensor, **padding) for tensor in (old, advantages, reference)]
    wide = torch.nn.functional.pad(mask, (0, 4), value=False)
    result = policy_loss(leaf, padded[0], padded[1], wide, batch_totals(wide, 9), params, padded[2])
    result.loss.backward()
    assert result.loss.item() == pytest.approx(plain[0], rel=1e-9)
    torch.testing.assert_close(leaf.grad[:, :7], plain[1], rtol=1e-9, atol=1e-12)
    assert (leaf.grad[~wide] == 0).all()


def test_on_policy_the_gradient_is_that_of_reinforce():
    # at π_θ = π_old the clipped surrogate's gradient is -A · ∇log π, whatever the clip
    new, _, reference, advantages, mask = random_batch()
    params = AlgorithmParams(dual_clip=3.0)
    _, slope, statistics = gradient(new, [[0, 1, 2, 3, 4, 5]], new, reference, advantages, mask, params)
    torch.testing.assert_close(slope, torch.where(mask, -advantages / mask.sum(), 0.0), rtol=1e-6, atol=1e-12)
    assert statistics["clip_fraction"] == 0 and statistics["approx_kl"] == pytest.approx(0, abs=1e-12)
    assert statistics["ratio"] == pytest.approx(1)


def test_a_policy_that_has_run_away_gives_finite_numbers():
    mask = torch.ones(1, 2, dtype=torch.bool)
    new = torch.tensor([[-0.1, -900.0]], requires_grad=True)
    old = torch.tensor([[-900.0, -0.1]])
    result = policy_loss(new, old, torch.tensor([[-1.0, 1.0]]), mask, batch_totals(mask, 2), AlgorithmParams())
    result.loss.backward()
    assert torch.isfinite(result.loss) and torch.isfinite(new.grad).all()
    assert all(torch.isfinite(value) for value in result.statistics.values())

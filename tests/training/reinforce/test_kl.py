import math

import pytest
import torch

from soundmind_pipeline.training.reinforce.kl import kl_per_token

torch.set_num_threads(1)
LN2 = math.log(2.0)


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        # π_θ/π_SFT = 2, 1, 1/2, so d = ln 2, 0, -ln 2
        ("k1", [LN2, 0.0, -LN2]),
        ("k2", [LN2**2 / 2, 0.0, LN2**2 / 2]),
        ("k3", [0.5 - 1 + LN2, 0.0, 2 - 1 - LN2]),
    ],
)
def test_by_hand(estimator, expected):
    log_probs = torch.tensor([0.4, 0.3, 0.1], dtype=torch.float64).log()
    reference = torch.tensor([0.2, 0.3, 0.2], dtype=torch.float64).log()
    kl = kl_per_token(log_probs, reference, torch.ones(3, dtype=torch.bool), estimator)
    torch.testing.assert_close(kl, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_padding_is_ignored_in_value_and_gradient(estimator):
    log_probs = torch.tensor([[-1.0, -2.0, math.nan], [-0.5, -math.inf, math.inf]], requires_grad=True)
    reference = torch.tensor([[-1.5, -1.0, math.nan], [-0.7, math.nan, -math.inf]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    kl = kl_per_token(log_probs, reference, mask, estimator)
    assert torch.equal(kl == 0, ~mask)
    kl.sum().backward()
    assert torch.isfinite(log_probs.grad).all()
    assert (log_probs.grad[~mask] == 0).all()


def exact(logits, reference_logits):
    """The full distributions' KL(π ‖ π_ref)."""
    log_p, log_q = logits.log_softmax(-1), reference_logits.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum()


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_k1_and_k3_are_unbiased(estimator):
    torch.manual_seed(0)
    logits, reference = torch.randn(2, 7, dtype=torch.float64)
    log_p, log_q = logits.log_softmax(-1), reference.log_softmax(-1)
    expectation = (log_p.exp() * kl_per_token(log_p, log_q, torch.ones(7, dtype=torch.bool), estimator)).sum()
    torch.testing.assert_close(expectation, exact(logits, reference))


def test_the_expected_gradient_of_k2_is_that_of_the_kl_and_of_k1_is_zero():
    torch.manual_seed(1)
    logits, reference = torch.randn(2, 7, dtype=torch.float64)
    logits.requires_grad_()
    mask = torch.ones(7, dtype=torch.bool)
    (wanted,) = torch.autograd.grad(exact(logits, reference), logits)

    def expected_gradient(estimator):
        log_p = logits.log_softmax(-1)
        weighted = log_p.detach().exp() * kl_per_token(log_p, reference.log_softmax(-1), mask, estimator)
        return torch.autograd.grad(weighted.sum(), logits)[0]

    torch.testing.assert_close(expected_gradient("k2"), wanted)
    torch.testing.assert_close(expected_gradient("k1"), torch.zeros(7, dtype=torch.float64))


def test_k3_is_never_negative_for_policies_that_barely_differ():
    log_probs = -torch.rand(10_000)
    reference = log_probs + 1e-4 * torch.randn(10_000)
    assert (kl_per_token(log_probs, reference, torch.ones(10_000, dtype=torch.bool), "k3") >= 0).all()

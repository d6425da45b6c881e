"""The clipped policy loss, normalised so that micro-batches and ranks add up to the loss of the global batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from soundmind_pipeline.training.reinforce.advantages import global_sum
from soundmind_pipeline.training.reinforce.kl import kl_per_token
from soundmind_pipeline.training.reinforce.params import Aggregation, AlgorithmParams

MAX_LOG_RATIO = 20.0  # exp(20) ~ 5e8: beyond it only an overflow is to be had


@dataclass(frozen=True)
class BatchTotals:
    """What the losses of one optimisation step are divided by: counts over all micro-batches and all ranks."""

    tokens: float
    """Valid tokens of the global batch."""
    sequences: float
    """Responses of the global batch with at least one valid token."""
    constant_length: int
    """The fixed length of ``constant_length`` aggregation: ``max_new_tokens``."""


@dataclass(frozen=True)
class PolicyLoss:
    """The loss of one micro-batch and its share of the statistics."""

    loss: Tensor
    """Scalar with gradient; summed over micro-batches and ranks it is the loss of the global batch."""
    statistics: dict[str, Tensor]
    """Detached scalars that sum to means over all valid tokens: clip_fraction, clip_fraction_low, clip_fraction_high,
    dual_clip_fraction, approx_kl (k3 of the sampling policy against the current one), ratio, policy_loss, kl_loss."""


def batch_totals(
    mask: Tensor,  # [B, T], bool
    constant_length: int,
) -> BatchTotals:
    """Count the valid tokens and responses of this rank's whole batch and add them up over the ranks (collective)."""
    valid = mask.bool()
    counts = global_sum(torch.stack([valid.sum(), valid.any(dim=-1).sum()]).double())
    return BatchTotals(tokens=float(counts[0]), sequences=float(counts[1]), constant_length=constant_length)


def token_weights(
    mask: Tensor,  # [B, T], bool
    aggregation: Aggregation,
    totals: BatchTotals,
) -> Tensor:  # [B, T], float32
    """The weight of each token's loss in the loss of the global batch.

    - ``token_mean``: 1 / all tokens, every token alike (DAPO, arXiv 2503.14476, eq. 8; REINFORCE++).
    - ``sequence_mean``: 1 / (tokens of the response · responses), every response alike (GRPO, arXiv 2402.03300, eq. 3).
    - ``constant_length``: 1 / (responses · constant length), unbiased in the length (Dr. GRPO, arXiv 2503.20783).

    Args:
        mask: True at the tokens that count.
        aggregation: One of the three above.
        totals: Counts of the *global* batch, of which these rows may be a part.

    Returns:
        Weights, zero outside the mask.
    """
    valid = mask.float()
    if aggregation == "token_mean":
        return valid / max(totals.tokens, 1.0)
    sequences = max(totals.sequences, 1.0)
    if aggregation == "constant_length":
        return valid / (sequences * totals.constant_length)
    return valid / (valid.sum(dim=-1, keepdim=True).clamp(min=1.0) * sequences)


def policy_loss(
    log_probs: Tensor,  # [B, T], with gradient
    old_log_probs: Tensor,  # [B, T]
    advantages: Tensor,  # [B, T]
    mask: Tensor,  # [B, T], bool
    totals: BatchTotals,
    params: AlgorithmParams,
    reference_log_probs: Tensor | None = None,  # [B, T]
) -> PolicyLoss:
    """PPO's clipped surrogate (arXiv 1707.06347, eq. 7) plus, by parameter, a KL loss against the frozen SFT policy.

    With r = π_θ / π_old the token loss is -min(r·A, clip(r, 1 - clip_low, 1 + clip_high)·A); with ``dual_clip`` c it is
    at most -c·A where A < 0 (arXiv 1912.09729, eq. 5). The loss is divided by *global* counts: back-propagating each
    micro-batch's loss and **summing** gradients over micro-batches and ranks gives the gradient of the global batch,
    whatever the split. Give an engine that averages over ranks or accumulation steps the loss times their number.

    Args:
        log_probs: Log-probabilities of the sampled tokens under the current policy.
        old_log_probs: The same under the policy that sampled them, without gradient.
        advantages: From ``compute_advantages``.
        mask: True at the tokens that count; the other arguments are ignored elsewhere, NaN included.
        totals: From ``batch_totals`` over the whole rollout batch of the step.
        params: The algorithm.
        reference_log_probs: Under the frozen SFT policy; needed where the KL stands in the loss.

    Returns:
        The loss of these rows and their share of the statistics.

    Raises:
        ValueError: If the KL stands in the loss and ``reference_log_probs`` is missing.
    """
    valid = mask.bool()
    zero = torch.zeros((), dtype=log_probs.dtype, device=log_probs.device)
    advantages = torch.where(valid, advantages.to(log_probs.dtype), zero)
    log_ratio = torch.where(valid, log_probs, zero) - torch.where(valid, old_log_probs, zero)
    log_ratio = log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    ratio = log_ratio.exp()
    losses, clipped = _clipped_losses(ratio, advantages, params)
    weights = token_weights(valid, params.aggregation, totals)
    surrogate = (losses * weights).sum()
    kl_loss = zero
    if params.kl_placement == "loss" and params.kl_beta > 0:
        if reference_log_probs is None:
            raise ValueError("a KL loss needs reference_log_probs")
        kl_loss = (kl_per_token(log_probs, reference_log_probs, valid, params.kl_estimator) * weights).sum()
    statistics = _statistics(log_ratio.detach(), clipped, valid, totals)
    statistics |= {"policy_loss": surrogate.detach(), "kl_loss": kl_loss.detach()}
    return PolicyLoss(loss=surrogate + params.kl_beta * kl_loss, statistics=statistics)


def _clipped_losses(
    ratio: Tensor,  # [B, T]
    advantages: Tensor,  # [B, T]
    params: AlgorithmParams,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Token losses, and where each clip cut the gradient (bool tensors)."""
    low, high = 1.0 - params.clip_low, 1.0 + params.clip_high
    objective = torch.minimum(ratio * advantages, ratio.clamp(low, high) * advantages)
    clipped = {
        "clip_fraction_low": (ratio < low) & (advantages < 0),
        "clip_fraction_high": (ratio > high) & (advantages > 0),
        "dual_clip_fraction": torch.zeros_like(ratio, dtype=torch.bool),
    }
    if params.dual_clip is not None:
        floor = torch.where(advantages < 0, params.dual_clip * advantages, -torch.inf)
        clipped["dual_clip_fraction"] = objective < floor
        objective = torch.maximum(objective, floor)
    return -objective, clipped


def _statistics(
    log_ratio: Tensor,  # [B, T], zero outside the mask
    clipped: dict[str, Tensor],  # each [B, T], bool
    mask: Tensor,  # [B, T], bool
    totals: BatchTotals,
) -> dict[str, Tensor]:
    """Shares of the token means over the global batch."""
    tokens = max(totals.tokens, 1.0)
    shares = {name: (flags & mask).sum() / tokens for name, flags in clipped.items()}
    shares["clip_fraction"] = shares["clip_fraction_low"] + shares["clip_fraction_high"]
    # KL(π_old ‖ π_θ) by k3: the tokens come from π_old, so d = -log r and k3 = r - 1 - log r.
    shares["approx_kl"] = ((torch.expm1(log_ratio) - log_ratio) * mask).sum() / tokens
    shares["ratio"] = (log_ratio.exp() * mask).sum() / tokens
    return shares

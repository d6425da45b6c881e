"""Advantages of critic-free algorithms: returns with the KL inside, group baselines, global-batch whitening."""

import torch
import torch.distributed as dist
from torch import Tensor

from soundmind_pipeline.training.reinforce.params import AlgorithmParams, Baseline


def global_sum(values: Tensor) -> Tensor:
    """Sum a tensor over all ranks; the tensor itself where torch.distributed is not initialised."""
    if not (dist.is_available() and dist.is_initialized()):
        return values
    total = values.clone()
    dist.all_reduce(total, op=dist.ReduceOp.SUM)
    return total


def returns_to_go(
    rewards: Tensor,  # [B]
    kl: Tensor,  # [B, T]
    mask: Tensor,  # [B, T], bool
    beta: float,
) -> Tensor:  # [B, T]
    """A_t = R(x, y) - β Σ_{i ≥ t} KL(i): SoundMind eq. 6, REINFORCE++ (arXiv 2501.03262) with γ = 1.

    The sum includes the token itself: the penalty that a token can still influence is its own and that of what follows.

    Args:
        rewards: The reward of each whole response.
        kl: Per-token KL estimates in nats, without gradient.
        mask: True at the tokens of the completion.
        beta: Weight of the KL penalty.

    Returns:
        The advantages before normalisation, zero outside the mask, in the dtype of ``kl``.
    """
    valid = mask.bool()
    kept = torch.where(valid, kl, torch.zeros_like(kl))
    kl_to_go = kept.flip(-1).cumsum(-1).flip(-1)
    returns = rewards.to(kl.dtype).unsqueeze(-1) - beta * kl_to_go
    return torch.where(valid, returns, torch.zeros_like(returns))


def subtract_baseline(
    rewards: Tensor,  # [B], rows prompt-major: the samples of one prompt stand together
    group_size: int,
    baseline: Baseline,
) -> Tensor:  # [B]
    """Compare each response with the others sampled for the same prompt.

    - ``none``: R_i (REINFORCE++).
    - ``group_mean``: R_i - mean(R) (Dr. GRPO, arXiv 2503.20783; REINFORCE++ with baseline).
    - ``group_norm``: (R_i - mean(R)) / std(R), with the sample standard deviation (GRPO, arXiv 2402.03300, 4.1.2).
    - ``leave_one_out``: R_i - mean of R_j over j ≠ i (RLOO, arXiv 2402.14740).

    A group whose rewards are all equal gets exact zeros: it says nothing about its responses, and rounding noise must
    not be blown up by a standard deviation near zero.

    Args:
        rewards: One reward a response, floating point, B a multiple of ``group_size``.
        group_size: Responses to one prompt, n.
        baseline: One of the four above.

    Returns:
        One advantage a response, in the dtype of ``rewards``.

    Raises:
        ValueError: If B is not a multiple of ``group_size``, or a group of one is to be compared.
    """
    if baseline == "none":
        return rewards
    if group_size < 2:
        raise ValueError(f"advantage '{baseline}' compares responses to one prompt: sample at least 2 ({group_size})")
    if rewards.numel() % group_size:
        raise ValueError(f"{rewards.numel()} rewards do not divide into groups of {group_size}")
    groups = rewards.double().view(-1, group_size)
    centred = groups - groups.mean(dim=1, keepdim=True)
    if baseline == "leave_one_out":
        # R_i - (ΣR - R_i)/(n-1) = n/(n-1) · (R_i - mean)
        centred = centred * (group_size / (group_size - 1))
    elif baseline == "group_norm":
        centred = centred / (groups.std(dim=1, keepdim=True) + 1e-6)
    tied = groups.amax(dim=1, keepdim=True) == groups.amin(dim=1, keepdim=True)
    return torch.where(tied, torch.zeros_like(centred), centred).view(-1).to(rewards.dtype)


def whiten(
    advantages: Tensor,  # [B, T]
    mask: Tensor,  # [B, T], bool
) -> Tensor:  # [B, T]
    """Â = (A - μ) / σ over all valid tokens of the global batch: SoundMind eq. 7.

    μ and σ (population standard deviation) come from one all-reduce of (sum, sum of squares, count) in float64:
    every rank normalises with the same numbers whatever its share of the tokens. Call it on all ranks, on the whole
    rollout batch, before it is split into micro-batches.

    Args:
        advantages: Advantages, floating point.
        mask: True at the tokens that count.

    Returns:
        Normalised advantages, zero outside the mask; all zero if every valid advantage is the same.
    """
    valid = mask.bool()
    values = torch.where(valid, advantages.double(), torch.zeros((), dtype=torch.float64, device=advantages.device))
    sums = torch.stack([values.sum(), values.square().sum(), valid.sum().double()])
    total, squares, count = global_sum(sums).unbind()
    mean = total / count.clamp(min=1)
    deviation = (squares / count.clamp(min=1) - mean.square()).clamp(min=0).sqrt()
    # Below this the "spread" is rounding of the sums: float64 keeps about 8 digits of a standard deviation.
    spread = deviation > 1e-7 * mean.abs().clamp(min=1)
    normalised = (values - mean) / torch.where(spread, deviation, torch.ones_like(deviation))
    return torch.where(valid & spread, normalised, torch.zeros_like(normalised)).to(advantages.dtype)


def compute_advantages(
    rewards: Tensor,  # [B], rows prompt-major
    kl: Tensor,  # [B, T]
    mask: Tensor,  # [B, T], bool
    group_size: int,
    params: AlgorithmParams,
) -> Tensor:  # [B, T]
    """The advantage of every token under ``params``.

    With ``advantage: none`` a KL penalty in the reward acts token by token (eq. 6). The group baselines compare whole
    responses, so there the response's summed penalty is taken off its reward before the comparison (as in
    RLOO, arXiv 2402.14740, whose KL is that of the sequence).

    Args:
        rewards: The reward of each response.
        kl: Per-token KL estimates against the frozen SFT policy, without gradient; ignored unless the KL stands in the
            reward.
        mask: True at the tokens of the completion that count.
        group_size: Responses to one prompt.
        params: The algorithm.

    Returns:
        Advantages, zero outside the mask, in the dtype of ``kl``.

    Raises:
        ValueError: As ``subtract_baseline``.
    """
    in_reward = params.kl_placement == "reward" and params.kl_beta > 0
    if params.advantage == "none":
        advantages = returns_to_go(rewards, kl, mask, params.kl_beta if in_reward else 0.0)
    else:
        penalised = rewards.to(kl.dtype)
        if in_reward:
            penalised = penalised - params.kl_beta * torch.where(mask.bool(), kl, torch.zeros_like(kl)).sum(dim=-1)
        scores = subtract_baseline(penalised, group_size, params.advantage)
        advantages = torch.where(mask.bool(), scores.unsqueeze(-1), torch.zeros_like(kl))
    return whiten(advantages, mask) if params.whitening else advantages

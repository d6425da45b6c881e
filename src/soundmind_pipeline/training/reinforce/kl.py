"""Per-token estimators of the KL divergence from the policy to the frozen SFT policy."""

import torch
from torch import Tensor

from soundmind_pipeline.training.reinforce.params import KlEstimator


def kl_per_token(
    log_probs: Tensor,  # [T] or [B, T]
    reference_log_probs: Tensor,  # [T] or [B, T]
    mask: Tensor,  # [T] or [B, T], bool
    estimator: KlEstimator,
) -> Tensor:  # [T] or [B, T]
    """Estimate KL(π_θ ‖ π_SFT) at each sampled token, with Schulman's k1, k2 or k3 (joschu.net/blog/kl-approx.html).

    With d = log π_θ(a|s) - log π_SFT(a|s) for a token sampled from π_θ:

    - k1 = d, the KL(i) of REINFORCE++ (SoundMind eq. 6): unbiased, may be negative. As a *loss* its gradient has
      expectation zero, so place it in the reward.
    - k2 = d²/2: biased as a value, but its gradient is the gradient of the KL, which is what a loss needs.
    - k3 = exp(-d) - 1 + d: unbiased and never negative (GRPO, DeepSeekMath eq. 4).

    Args:
        log_probs: Log-probabilities of the sampled tokens under the policy, floating point; may carry gradients.
        reference_log_probs: The same tokens under the frozen SFT policy.
        mask: True at the tokens of the completion. What stands elsewhere, NaN and infinity included, is ignored.
        estimator: ``k1``, ``k2`` or ``k3``.

    Returns:
        The estimates in nats, zero outside the mask.
    """
    zero = torch.zeros((), dtype=log_probs.dtype, device=log_probs.device)
    difference = torch.where(mask.bool(), log_probs, zero) - torch.where(mask.bool(), reference_log_probs, zero)
    if estimator == "k1":
        return difference
    if estimator == "k2":
        return 0.5 * difference.square()
    # expm1 keeps the value from rounding below zero while the two policies still agree.
    return torch.expm1(-difference) + difference

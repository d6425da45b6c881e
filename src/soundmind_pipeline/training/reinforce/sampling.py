"""Which sampled responses enter the loss: dynamic sampling and truncated completions."""

import torch
from torch import Tensor

from soundmind_pipeline.rewards.shaping import overlong_penalty


def informative_rows(
    scores: Tensor,  # [B], rows prompt-major
    group_size: int,
) -> Tensor:  # [B], bool
    """Mark the responses of the groups whose scores differ: dynamic sampling of DAPO (arXiv 2503.14476, eq. 11).

    A group that earned the same throughout has advantage zero everywhere. DAPO drops it and samples other prompts until
    the batch is full.

    Args:
        scores: What decides, one number a response: the answer term (DAPO's 0 < correct < n) or the total reward.
        group_size: Responses to one prompt; B must be a multiple of it.

    Returns:
        True at every response of a group with at least two different scores.

    Raises:
        ValueError: If B is not a multiple of ``group_size``.
    """
    if scores.numel() % group_size:
        raise ValueError(f"{scores.numel()} scores do not divide into groups of {group_size}")
    groups = scores.view(-1, group_size)
    differs = groups.amax(dim=1) != groups.amin(dim=1)
    return differs.repeat_interleave(group_size)


def mask_truncated(
    mask: Tensor,  # [B, T], bool
    finished: Tensor,  # [B], bool
) -> Tensor:  # [B, T], bool
    """Leave out the completions that ran into the token limit: DAPO's overlong filtering (arXiv 2503.14476, 3.4).

    Their reward says that they were cut, not that their reasoning was bad.

    Args:
        mask: True at the tokens of the completions.
        finished: True where a completion ended by itself (end-of-sequence token).

    Returns:
        The mask with the rows of unfinished completions false.
    """
    return mask.bool() & finished.bool().unsqueeze(-1)


def overlong_penalties(
    lengths: Tensor,  # [B], int: tokens of each completion
    max_new_tokens: int,
    share: float,
) -> Tensor:  # [B], float32
    """DAPO's soft overlong punishment (arXiv 2503.14476, eq. 13): 0, falling to -1 over the last ``share``.

    Args:
        lengths: Tokens of each completion.
        max_new_tokens: The token limit of the rollouts, L_max.
        share: Part of the limit over which the penalty ramps (DAPO: 4,096 of 20,480 = 0.2); 0 gives no penalty.

    Returns:
        Numbers in [-1, 0] to add to the rewards.
    """
    penalties = [overlong_penalty(int(length), max_new_tokens, share) for length in lengths.tolist()]
    return torch.tensor(penalties, dtype=torch.float32, device=lengths.device)

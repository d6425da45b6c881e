"""One round's experience: what each sampled token is worth."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from soundmind_pipeline.policy.adapters import has_adapter, reference_mode
from soundmind_pipeline.policy.log_probs import completion_log_probs
from soundmind_pipeline.policy.thinker import evaluation_mode
from soundmind_pipeline.training.batching import pack
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.reinforce.advantages import compute_advantages
from soundmind_pipeline.training.reinforce.kl import kl_per_token
from soundmind_pipeline.training.reinforce.rollouts import Samples
from soundmind_pipeline.training.reinforce.sampling import mask_truncated, overlong_penalties


@dataclass(frozen=True)
class Experience:
    """Samples as tensors `[rows, longest]`."""

    samples: Samples
    """What was sampled."""
    tokens: Tensor
    """Where tokens stand; bool."""
    mask: Tensor
    """Tokens that count in the loss and in the normalisation; bool."""
    old_log_probs: Tensor
    """Under the policy that sampled them, as the ratio and the KL take them; float32."""
    sampled_log_probs: Tensor
    """The same as the sampler computed them: `old_log_probs` itself, unless the trainer computed these anew."""
    reference_log_probs: Tensor | None
    """Under the frozen SFT policy; float32; None where the objective has no KL."""
    advantages: Tensor
    """What each token is worth; float32."""


def row_groups(samples: Samples, budget: int, share_prefix: bool = True) -> list[list[int]]:
    """Divide the rows into micro-batches of about equal length, rows of one question side by side.

    A question costs its prompt once and its responses at the length of the longest. Questions of like cost go together
    while the costliest times their number stays within `budget` tokens; a question that costs more alone is divided.

    Args:
        samples: The rows.
        budget: Tokens of a micro-batch.
        share_prefix: Whether the rows of a question share its prompt; otherwise each costs its prompt and its response.

    Returns:
        Indices of rows, the costliest first.
    """
    if not share_prefix:
        pairs = zip(samples.prompts, samples.completions, strict=True)
        return pack([len(prompt) + len(completion) for prompt, completion in pairs], budget)
    pieces: list[tuple[int, list[int]]] = []
    for index, question in enumerate(samples.questions):
        rows, prompt = samples.rows_of([index]), len(question.prompt)
        longest = max(len(samples.completions[row]) for row in rows)
        fitting = max(1, (budget - prompt) // longest)
        parts = [rows[start : start + fitting] for start in range(0, len(rows), fitting)]
        pieces += [(prompt + len(part) * longest, part) for part in parts]
    pieces.sort(key=lambda piece: -piece[0])
    groups: list[list[int]] = []
    members = costliest = 0
    for cost, rows in pieces:
        if groups and (members + 1) * costliest <= budget:
            groups[-1] += rows
            members += 1
        else:
            groups.append(list(rows))
            members, costliest = 1, cost
    return groups


@torch.no_grad()
def score_samples(
    model: nn.Module, samples: Samples, params: RlParams, banned_ids: Sequence[int], device: torch.device
) -> Tensor:
    """Log-probabilities of all sampled tokens under `model`, float32 `[rows, longest]`, zero behind a row's end."""
    prompts = samples.prompts
    rows: list[Tensor] = [torch.empty(0)] * len(samples.completions)
    with evaluation_mode(model):  # in training mode, layers that recompute would share no prompts
        for group in row_groups(samples, params.micro_batch_tokens):
            scored = completion_log_probs(
                model,
                [prompts[row] for row in group],
                [samples.completions[row] for row in group],
                temperature=params.sampling.temperature,
                banned_ids=banned_ids,
            ).split()
            for row, log_probs in zip(group, scored, strict=True):
                rows[row] = log_probs
    return pad_sequence(rows, batch_first=True).to(device)


class Reference:
    """The frozen SFT policy, against which the KL is taken.

    Args:
        model: The live policy, whose adapters are switched off for the purpose, or a frozen copy.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model

    def log_probs(self, samples: Samples, params: RlParams, banned_ids: Sequence[int], device: torch.device) -> Tensor:
        """As `score_samples`, under the reference policy."""
        frozen = reference_mode(self._model) if has_adapter(self._model) else nullcontext()
        with frozen:
            return score_samples(self._model, samples, params, banned_ids, device)


def weigh(
    samples: Samples,
    reference: Tensor | None,
    params: RlParams,
    device: torch.device,
    recomputed: Tensor | None = None,
) -> Experience:
    """Rewards and KL → advantages (a collective call where they are whitened).

    Args:
        samples: This rank's samples of the round.
        reference: Log-probabilities under the SFT policy, float32 `[rows, longest]`; None without a KL.
        params: Algorithm and sampling.
        device: Where the update runs.
        recomputed: Log-probabilities of the policy as the trainer computes them, float32 `[rows, longest]`, where the
            sampler's are not exact enough; None takes the sampler's.
    """
    algorithm = params.algorithm
    sampled = pad_sequence(samples.log_probs, batch_first=True).to(device)
    old = sampled if recomputed is None else recomputed
    lengths = torch.tensor([len(row) for row in samples.completions], device=device)
    tokens = torch.arange(old.shape[1], device=device) < lengths.unsqueeze(-1)
    mask = tokens
    if algorithm.mask_truncated:
        mask = mask_truncated(tokens, torch.tensor(samples.finished, device=device))
    rewards = torch.tensor([score.total for score in samples.scores], dtype=torch.float32, device=device)
    if algorithm.overlong:
        rewards = rewards + overlong_penalties(lengths, params.sampling.max_new_tokens, algorithm.overlong)
    kl = torch.zeros_like(old)
    if reference is not None:
        kl = kl_per_token(old, reference, tokens, algorithm.kl_estimator)
    advantages = compute_advantages(rewards, kl, mask, samples.n, algorithm)
    return Experience(samples, tokens, mask, old, sampled, reference, advantages)

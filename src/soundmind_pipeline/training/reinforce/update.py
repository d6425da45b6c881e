"""The policy update: minibatches, micro-batches, and the module that DeepSpeed drives."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from soundmind_pipeline.policy.log_probs import completion_log_probs
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.training.engine import PolicyEngine
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.ranks import Ranks
from soundmind_pipeline.training.reinforce.experience import Experience, row_groups
from soundmind_pipeline.training.reinforce.losses import BatchTotals, batch_totals, policy_loss


@dataclass(frozen=True)
class UpdateBatch:
    """Rows of an experience; tensors `[rows, longest]`."""

    prompts: list[Prompt]
    """One a row, neighbours sharing the object."""
    completions: list[list[int]]
    """Token ids."""
    tokens: Tensor
    """Where tokens stand."""
    mask: Tensor
    """Tokens that count."""
    old_log_probs: Tensor
    """Under the sampling policy."""
    sampled_log_probs: Tensor
    """The same, as the sampler computed them."""
    reference_log_probs: Tensor | None
    """Under the SFT policy."""
    advantages: Tensor
    """What each token is worth."""
    totals: BatchTotals
    """Counts of the optimisation step that these rows are a part of."""

    @classmethod
    def of(cls, experience: Experience, rows: Sequence[int], totals: BatchTotals) -> "UpdateBatch":
        """Some rows of an experience, cut to the longest of them."""
        completions = [experience.samples.completions[row] for row in rows]
        width = max(len(row) for row in completions)
        prompts = experience.samples.prompts

        def cut(tensor: Tensor) -> Tensor:
            return tensor[list(rows), :width]

        reference = experience.reference_log_probs
        return cls(
            [prompts[row] for row in rows],
            completions,
            cut(experience.tokens),
            cut(experience.mask),
            cut(experience.old_log_probs),
            cut(experience.sampled_log_probs),
            None if reference is None else cut(reference),
            cut(experience.advantages),
            totals,
        )

    def idle(self) -> "UpdateBatch":
        """The same work for nothing: what a rank does while others have a micro-batch more."""
        return replace(self, mask=torch.zeros_like(self.mask))


class PolicyModule(nn.Module):
    """The clipped policy loss of one micro-batch.

    Args:
        model: The live policy.
        params: Algorithm and sampling temperature.
        banned_ids: Token ids that are never sampled.
    """

    def __init__(self, model: nn.Module, params: RlParams, banned_ids: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self._params = params
        self._banned_ids = tuple(banned_ids)

    def forward(self, batch: UpdateBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and statistics that sum to means over the tokens of the optimisation step."""
        scored = completion_log_probs(
            self.model,
            batch.prompts,
            batch.completions,
            temperature=self._params.sampling.temperature,
            banned_ids=self._banned_ids,
        ).log_probs
        log_probs = torch.zeros_like(batch.old_log_probs).masked_scatter(batch.tokens, scored)
        result = policy_loss(
            log_probs,
            batch.old_log_probs,
            batch.advantages,
            batch.mask,
            batch.totals,
            self._params.algorithm,
            batch.reference_log_probs,
        )
        return result.loss, result.statistics | {"log_probs": log_probs.detach()}


def update_policy(
    engine: PolicyEngine, experience: Experience, params: RlParams, step: int, lr: float
) -> dict[str, float]:
    """`epochs` passes over the round's experience in `minibatches` optimisation steps each (collective).

    Returns:
        Means over the optimisation steps and all ranks: `loss`, `grad_norm`, `clip_fraction`, `clip_fraction_low`,
        `clip_fraction_high`, `dual_clip_fraction`, `approx_kl`, `ratio`, `policy_loss`, `kl_loss`; and of the first
        step, where the policy still is the one that sampled, `agreement` (correlation of the sampler's and the
        trainer's log-probabilities) and `disagreement` (their largest difference, in nats).
    """
    engine.module.train()
    sums: dict[str, float] = {}
    agreement = Agreement(engine.ranks)
    for number, batches in enumerate(_optimisation_steps(experience, params, step, engine.ranks)):
        for batch in batches:
            loss, statistics = engine.accumulate(batch)
            if number == 0:
                agreement.add(batch, statistics["log_probs"])
            del statistics["log_probs"]
            sums["loss"] = sums.get("loss", 0.0) + loss
            for name, value in statistics.items():
                sums[name] = sums.get(name, 0.0) + float(value)
        sums["grad_norm"] = sums.get("grad_norm", 0.0) + engine.update(lr) / engine.ranks.world_size
    steps = params.epochs * params.minibatches
    means = dict(zip(sums, (value / steps for value in engine.ranks.totals(list(sums.values()))), strict=True))
    return means | agreement.figures()


def _optimisation_steps(
    experience: Experience, params: RlParams, step: int, ranks: Ranks
) -> Iterator[list[UpdateBatch]]:
    """The micro-batches of each optimisation step; all ranks get equally many."""
    for epoch in range(params.epochs):
        order = np.random.default_rng([params.seed, step, epoch]).permutation(len(experience.samples.questions))
        for questions in np.array_split(order, params.minibatches):
            rows = experience.samples.rows_of(questions.tolist())
            totals = batch_totals(experience.mask[rows], params.sampling.max_new_tokens)
            asked = experience.samples.of(questions.tolist())
            packed = row_groups(asked, params.micro_batch_tokens, share_prefix=not params.gradient_checkpointing)
            batches = [UpdateBatch.of(experience, [rows[place] for place in group], totals) for group in packed]
            yield batches + [batches[0].idle()] * (ranks.largest(len(batches)) - len(batches))


class Agreement:
    """How far sampler and trainer agree on log-probabilities: they are one policy computed in two ways.

    Args:
        ranks: The processes; `figures` is a collective call.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._moments = [0.0] * 6
        self._largest = 0.0

    def add(self, batch: UpdateBatch, log_probs: Tensor) -> None:
        """Take in the tokens of one micro-batch; `log_probs` are the trainer's, `[rows, longest]`."""
        x, y = batch.sampled_log_probs[batch.mask].double(), log_probs[batch.mask].double()
        if x.numel():
            moments = (torch.ones_like(x), x, y, x * x, y * y, x * y)
            self._moments = [old + float(new.sum()) for old, new in zip(self._moments, moments, strict=True)]
            self._largest = max(self._largest, float((x - y).abs().max()))

    def figures(self) -> dict[str, float]:
        """`agreement`, Pearson's correlation (1 where all are equal), and `disagreement`, in nats."""
        count, x, y, xx, yy, xy = self._ranks.totals(self._moments)
        largest = max(self._ranks.gathered(self._largest))
        count = max(count, 1.0)
        spread: Any = ((xx / count - (x / count) ** 2) * (yy / count - (y / count) ** 2)) ** 0.5
        correlation = (xy / count - x * y / count**2) / spread if spread else 1.0
        return {"agreement": float(correlation), "disagreement": largest}

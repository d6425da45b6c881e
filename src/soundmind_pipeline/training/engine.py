"""The DeepSpeed engine that supervised warm-up and reinforcement learning share."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from soundmind_pipeline.training.deepspeed_config import resolve_config
from soundmind_pipeline.training.params import OptimizerParams, TrainingParams
from soundmind_pipeline.training.pulse import beat
from soundmind_pipeline.training.ranks import Ranks

logger = logging.getLogger(__name__)
_TAG = "state"


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a learning rate."""

    name: str
    """What they are part of: `audio_tower`, `embeddings`, `text`, …"""
    parameters: Sequence[nn.Parameter]
    """The parameters, all with `requires_grad`."""
    lr_scale: float = 1.0
    """Multiplies the step's learning rate."""
    weight_decay: float = 0.0
    """AdamW's decoupled weight decay."""


class PolicyEngine:
    """A module under DeepSpeed: any ZeRO stage, one rank or many, the same calls.

    The module's forward takes one micro-batch and returns `(loss, statistics)`: a scalar whose **sum** over
    micro-batches and ranks is the loss of the global batch, and detached values for the caller. So losses are
    normalised by counts of the global batch, and world sizes agree.

    Args:
        engine: What `deepspeed.initialize` made.
        groups: The parameter groups in the optimizer's order.
        ranks: The processes of the job.
    """

    def __init__(self, engine: Any, groups: Sequence[ParameterGroup], ranks: Ranks) -> None:
        self._engine = engine
        self._groups = list(groups)
        self.ranks = ranks
        self._norm = 0.0
        self._record_norm()

    @property
    def module(self) -> nn.Module:
        """The module itself, for forward passes without gradient (see `gathered` for ZeRO 3)."""
        return self._engine.module

    @property
    def zero_stage(self) -> int:
        """DeepSpeed's ZeRO stage, 0 … 3."""
        return int(self._engine.zero_optimization_stage())

    def accumulate(self, micro_batch: Any) -> tuple[float, Any]:
        """Forward and backward of one micro-batch; a collective call, so that ranks make the same number of them.

        Returns:
            This rank's share of the loss, and the statistics that the module returned.
        """
        beat("micro-batch")
        loss, statistics = self._engine(micro_batch)
        # DeepSpeed averages gradients over the ranks, ours add up.
        self._engine.backward(loss * self.ranks.world_size)
        return float(loss.detach()), statistics

    def update(self, lr: float) -> float:
        """Clip the accumulated gradient, take one AdamW step, forget the gradient.

        Args:
            lr: Learning rate of this step; each group's `lr_scale` multiplies it.

        Returns:
            The global norm of the gradient before clipping.
        """
        for group, ours in zip(self._engine.optimizer.param_groups, self._groups, strict=True):
            group["lr"] = lr * ours.lr_scale
        beat("update", waits=True)
        self._engine.step()
        norm = self._engine.get_global_grad_norm()
        return self._norm if norm is None else float(norm)

    def gathered(self) -> AbstractContextManager[None]:
        """Hold whole parameters on every rank: needed under ZeRO 3 around anything but `accumulate`."""
        if self.zero_stage < 3:
            return nullcontext()
        import deepspeed

        context: AbstractContextManager[None] = deepspeed.zero.GatheredParameters(list(self.module.parameters()))
        return context

    def trainable_state(self) -> dict[str, Tensor]:
        """A copy of every trainable parameter by name, on the CPU; a collective call."""
        with self.gathered():
            return {
                name: parameter.detach().to("cpu", copy=True)
                for name, parameter in self.module.named_parameters()
                if parameter.requires_grad
            }

    def save(self, folder: Path) -> None:
        """Write the trained weights and the optimizer's state under `folder`, which exists; a collective call.

        Parameters that are not trained stay out: they come from the upstream policy.
        """
        beat("checkpoint", waits=True)
        self._engine.save_checkpoint(str(folder), tag=_TAG, save_latest=False, exclude_frozen_parameters=True)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; a collective call.

        Raises:
            FileNotFoundError: There is no engine state in `folder`.
        """
        # DeepSpeed itself reports a missing checkpoint by an assertion, or not at all.
        if not (folder / _TAG).is_dir():
            raise FileNotFoundError(f"no engine state in {folder}")
        self._engine.load_checkpoint(str(folder), tag=_TAG, load_module_strict=False)

    def _record_norm(self) -> None:
        """DeepSpeed tells the gradient norm at every stage but 0 in float32, where its clipping throws it away."""
        from deepspeed.runtime.utils import clip_grad_norm_

        engine = self._engine

        def clip() -> None:
            parameters = engine.module.parameters()
            self._norm = float(clip_grad_norm_(parameters=parameters, max_norm=engine.gradient_clipping()))

        engine.clip_fp32_gradients = clip


@contextmanager
def policy_engine(
    module: nn.Module,
    groups: Sequence[ParameterGroup],
    ranks: Ranks,
    optimizer: OptimizerParams,
    params: TrainingParams,
    config: Mapping[str, Any],
) -> Iterator[PolicyEngine]:
    """Put `module` under DeepSpeed; take it out again at the end.

    Args:
        module: A module whose forward computes the loss (see `PolicyEngine`); only the parameters of `groups` train.
        groups: What is trained, in groups of one learning rate.
        ranks: From `process_group`.
        optimizer: AdamW's settings.
        params: Precision and the name of the configuration.
        config: The parsed DeepSpeed JSON file.

    Yields:
        The engine.

    Raises:
        SoundmindError: `config` cannot be resolved.
    """
    import deepspeed

    chosen = {id(parameter) for group in groups for parameter in group.parameters}
    for parameter in module.parameters():
        parameter.requires_grad_(id(parameter) in chosen)
    adamw = torch.optim.AdamW(
        [
            {"params": list(group.parameters), "name": group.name, "weight_decay": group.weight_decay, "lr": 0.0}
            for group in groups
        ],
        betas=optimizer.betas,
        eps=optimizer.eps,
    )
    resolved = resolve_config(config, module, optimizer, params)
    engine, *_ = deepspeed.initialize(
        model=module.to(ranks.device),
        optimizer=adamw,
        model_parameters=[parameter for group in groups for parameter in group.parameters],
        config=resolved,
        dist_init_required=False,
    )
    try:
        yield PolicyEngine(engine, groups, ranks)
    finally:
        engine.destroy()

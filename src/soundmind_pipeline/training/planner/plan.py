"""The plan of an RL job: memory of one rank by part, the verdict, and time and cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch

from soundmind_pipeline.speech.log_mel import FRAMES_PER_SECOND, audio_token_count
from soundmind_pipeline.training.deepspeed_config import resolve_config
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.planner import memory
from soundmind_pipeline.training.planner.activations import MicroBatch
from soundmind_pipeline.training.planner.memory import Part, ZeroSettings
from soundmind_pipeline.training.planner.model import PolicySize, meta_policy, policy_size
from soundmind_pipeline.training.planner.roofline import Efficiency, Gpu, RlTimes, rl_times

PAPER_STEPS: Final = 50_000
"""Steps of the paper's training."""

CUDA_BYTES: Final = int(1.5e9)
"""Context, kernels and workspaces of a GPU process; not counted on CPUs."""

FRAGMENTATION: Final = 0.05
"""Share of the allocated memory that the caching allocator cannot use."""


@dataclass(frozen=True)
class Workload:
    """What the rounds look like."""

    audio_seconds: float
    """Seconds of each spoken question."""
    text_tokens: int
    """Text tokens of a prompt beside its audio."""
    new_tokens: int
    """Tokens of a completion: for memory the longest, for time the usual."""

    @property
    def prompt_tokens(self) -> int:
        """Audio and text tokens of a prompt."""
        return audio_token_count(round(self.audio_seconds * FRAMES_PER_SECOND)) + self.text_tokens


@dataclass(frozen=True)
class RlPlan:
    """What `plan_rl` found."""

    size: PolicySize
    trained: int
    """Parameters that are trained."""
    state: list[Part]
    """What is always held."""
    rollout: list[Part]
    """What sampling adds."""
    update: list[Part]
    """What the policy update adds."""
    step: list[Part]
    """What the optimizer's step adds."""
    overhead: int
    """CUDA context and fragmentation, in bytes; 0 on CPUs."""
    peak_by_stage: dict[int, int]
    """The peak under each ZeRO stage, all else as planned."""
    times: RlTimes | None
    """Seconds of a step; None without a GPU."""

    @property
    def peak(self) -> int:
        """Bytes at the worst moment."""
        return held_at_most(self.state, self.rollout, self.update, self.step) + self.overhead


def held_at_most(state: list[Part], *moments: list[Part]) -> int:
    """Bytes of what is always held and the costliest of the moments."""
    return memory.total(state) + max(memory.total(parts) for parts in moments)


def plan_rl(
    config: Any,
    params: RlParams,
    deepspeed: Mapping[str, Any],
    workload: Workload,
    world_size: int,
    gpu: Gpu | None,
    reached: Efficiency | None = None,
) -> RlPlan:
    """Plan an RL job.

    Args:
        config: The Thinker's configuration.
        params: The job.
        deepspeed: The parsed DeepSpeed file that `params.deepspeed` names.
        workload: Lengths of questions and completions.
        world_size: Ranks, one a GPU.
        gpu: Peak figures; None plans for CPUs, without time.
        reached: Shares of the peaks that are reached.
    """
    dtype = getattr(torch, params.precision)
    lora = params.lora if params.adaptation == "lora" else None
    model = meta_policy(config, dtype, lora)
    size = policy_size(model)
    zero = ZeroSettings.of(resolve_config(deepspeed, model, params.optimizer, params))
    prompts, n = math.ceil(params.prompts_per_step / world_size), params.sampling.n
    prompt_tokens, new_tokens = workload.prompt_tokens, workload.new_tokens
    together = memory.prompts_together(
        config, prompts, prompt_tokens, n, new_tokens, dtype.itemsize, int(params.rollout_cache_gb * 1e9)
    )
    batch = micro_batch(params, prompts, prompt_tokens, new_tokens)
    rollout = memory.rollout_parts(config, together, prompt_tokens, n, new_tokens, dtype.itemsize)
    update = memory.update_parts(config, batch, dtype, lora, params.gradient_checkpointing)
    by_stage = _parts_by_stage(config, params, size, zero, rollout, world_size)
    state, rollout, step = by_stage[zero.stage]
    work = MicroBatch(prompts, prompt_tokens, n, new_tokens, not params.gradient_checkpointing)
    seconds = workload.audio_seconds * params.audio_share
    times = _times(config, params, size, work, seconds, gpu, reached or Efficiency(), together) if gpu else None
    peaks = {stage: held_at_most(held, sampling, update, last) for stage, (held, sampling, last) in by_stage.items()}
    overheads = {stage: CUDA_BYTES + int(FRAGMENTATION * peak) if gpu else 0 for stage, peak in peaks.items()}
    peak_by_stage = {stage: peak + overheads[stage] for stage, peak in peaks.items()}
    return RlPlan(size, _trained(size), state, rollout, update, step, overheads[zero.stage], peak_by_stage, times)


def _trained(size: PolicySize) -> int:
    """Parameters that RL trains: the adapters, or the language model with its embeddings."""
    return size.lora or size.text + size.embeddings


def _parts_by_stage(
    config: Any, params: RlParams, size: PolicySize, zero: ZeroSettings, rollout: list[Part], world_size: int
) -> dict[int, tuple[list[Part], list[Part], list[Part]]]:
    """What is always held, and what sampling and the optimizer's step add, under each ZeRO stage."""
    itemsize, trained = getattr(torch, params.precision).itemsize, _trained(size)
    copied = params.adaptation == "full" and params.algorithm.needs_reference
    found = {}
    for stage in range(4):
        planned = replace(zero, stage=stage)
        state = memory.training_state(size, trained, planned, world_size, itemsize, reference_copy=copied)
        spread_out = stage == 3 and world_size > 1
        gathered = [Part("gathered weights", size.base * itemsize, "whole on every rank")] if spread_out else []
        found[stage] = state, rollout + gathered, memory.step_parts(size, config, trained, planned, world_size)
    return found


def _times(
    config: Any,
    params: RlParams,
    size: PolicySize,
    work: MicroBatch,
    audio_seconds: float,
    gpu: Gpu,
    reached: Efficiency,
    together: int,
) -> RlTimes:
    return rl_times(
        size,
        config,
        work,
        audio_seconds,
        getattr(torch, params.precision).itemsize,
        gpu,
        reached,
        full=params.adaptation == "full",
        checkpointing=params.gradient_checkpointing,
        reference=params.algorithm.needs_reference,
        epochs=params.epochs,
        together=together,
    )


def micro_batch(params: RlParams, prompts: int, prompt_tokens: int, new_tokens: int) -> MicroBatch:
    """The largest forward and backward pass of a round, as the trainer packs rows into `micro_batch_tokens`."""
    budget, n = params.micro_batch_tokens, params.sampling.n
    if params.gradient_checkpointing:  # no shared prefix: every row carries its prompt
        rows = max(1, min(budget // (prompt_tokens + new_tokens), n * prompts))
        return MicroBatch(rows, prompt_tokens, 1, new_tokens, share_prefix=False)
    samples = max(1, min(n, (budget - prompt_tokens) // new_tokens))
    cost = prompt_tokens + samples * new_tokens
    of_minibatch = math.ceil(prompts / params.minibatches)
    together = max(1, min(budget // cost, of_minibatch)) if samples == n else 1
    return MicroBatch(together, prompt_tokens, samples, new_tokens, share_prefix=True)

"""Time of a step, from what the GPU can at best compute and read, and how much of that is usually reached."""

import math
from dataclasses import dataclass, replace
from typing import Any, Final

from soundmind_pipeline.training.planner.activations import MicroBatch
from soundmind_pipeline.training.planner.memory import cache_bytes_a_token
from soundmind_pipeline.training.planner.model import PolicySize

AUDIO_POSITIONS_PER_SECOND: Final = 50
"""Positions of the audio tower's layers, after its strided convolution."""


@dataclass(frozen=True)
class Gpu:
    """Peak figures of one GPU, from its data sheet (dense bfloat16, no sparsity)."""

    name: str
    flops: float
    """Floating-point operations a second."""
    bandwidth: float
    """Bytes a second from its memory."""
    memory_gb: float
    """Memory, in units of 10⁹ bytes."""


GPUS: Final = {
    "a100": Gpu("NVIDIA A100 80 GB", 312e12, 2.04e12, 80),
    "h100": Gpu("NVIDIA H100 80 GB", 989e12, 3.35e12, 80),
    "h800": Gpu("NVIDIA H800 80 GB", 989e12, 3.35e12, 80),
    "h200": Gpu("NVIDIA H200 141 GB", 989e12, 4.8e12, 141),
}


@dataclass(frozen=True)
class Efficiency:
    """Shares of the peaks that are reached; assumptions, to be replaced by what is measured."""

    flops: float = 0.4
    """Of the peak, in forward and backward passes of thousands of tokens."""
    bandwidth: float = 0.5
    """Of the peak, in decoding one token a row from Python."""


@dataclass(frozen=True)
class RlTimes:
    """Seconds of one RL step of one rank."""

    audio: float
    """The audio tower over the prompts."""
    rollout: float
    """Reading the prompts and sampling the completions."""
    reference: float
    """Log-probabilities under the SFT policy."""
    update: float
    """Forward and backward passes."""

    @property
    def total(self) -> float:
        """The whole step."""
        return self.audio + self.rollout + self.reference + self.update


def rl_times(
    size: PolicySize,
    config: Any,
    work: MicroBatch,
    audio_seconds: float,
    itemsize: int,
    gpu: Gpu,
    reached: Efficiency,
    *,
    full: bool,
    checkpointing: bool,
    reference: bool,
    epochs: int,
    together: int,
) -> RlTimes:
    """Times of one RL step.

    Args:
        size: Parameters of the policy.
        config: The Thinker's configuration.
        work: All prompts and completions of this rank in the step, as if they were one micro-batch.
        audio_seconds: Seconds of audio of each prompt; 0 for text.
        itemsize: Bytes of a weight.
        gpu: The GPU.
        reached: Shares of its peaks.
        full: Whether all weights of the language model are trained; else adapters.
        checkpointing: Whether layers are computed twice.
        reference: Whether the objective needs the reference policy.
        epochs: Passes of the update.
        together: Prompts whose completions are sampled at one time.
    """
    matrices = size.text + size.lora + config.text_config.vocab_size * config.text_config.hidden_size
    compute, bandwidth = gpu.flops * reached.flops, gpu.bandwidth * reached.bandwidth
    scored = work.tokens * matrices + _attention_products(config, work)
    # Backward through frozen weights gives gradients of activations only; trained ones cost as much again.
    passes = 2 + 2 + (2 if full else 0) + (2 if checkpointing else 0)
    audio_positions = work.prompts * audio_seconds * AUDIO_POSITIONS_PER_SECOND
    return RlTimes(
        audio=2 * size.audio_tower * audio_positions / compute,
        rollout=2 * work.prompts * work.prompt_tokens * matrices / compute
        + _decode_seconds(config, work, together, matrices, itemsize, compute, bandwidth),
        reference=2 * scored / compute if reference else 0.0,
        update=epochs * passes * scored / compute,
    )


def decode_bytes(config: Any, work: MicroBatch, matrices: int, itemsize: int) -> float:
    """Bytes read to sample one token of every row, at the middle of the completions: weights and caches."""
    of_token = cache_bytes_a_token(config, itemsize)
    cached = work.prompts * work.prompt_tokens + work.rows * work.completion_tokens / 2
    return matrices * itemsize + cached * of_token


def _decode_seconds(
    config: Any, work: MicroBatch, together: int, matrices: int, itemsize: int, compute: float, bandwidth: float
) -> float:
    group = replace(work, prompts=min(together, work.prompts))
    a_token = max(decode_bytes(config, group, matrices, itemsize) / bandwidth, 2 * group.rows * matrices / compute)
    return math.ceil(work.prompts / group.prompts) * work.completion_tokens * a_token


def _attention_products(config: Any, work: MicroBatch) -> float:
    """Multiplications of queries with keys and weights with values of one pass, by all layers."""
    text = config.text_config
    prompt, completion = work.prompt_tokens, work.completion_tokens
    prefixes = work.prompts if work.share_prefix else work.rows
    pairs = prefixes * prompt**2 / 2 + work.rows * completion * (prompt + completion / 2)
    return 2 * pairs * text.hidden_size * text.num_hidden_layers

"""Memory of one rank: what it always holds, and what rollouts and the update add at their worst."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from soundmind_pipeline.policy.params import LoraParams
from soundmind_pipeline.training.planner.activations import MicroBatch, saved_bytes
from soundmind_pipeline.training.planner.model import PolicySize

FLOAT32: Final = 4
LOGIT_CHUNK_BYTES: Final = 64 << 20
"""Logits of one chunk of scored tokens, as `policy.log_probs` cuts them."""
LOGIT_COPIES: Final = 4
"""Tensors of a chunk's size at one time: logits, their float32 form, probabilities, gradient."""
ZERO_BUCKETS: Final = {0: 1, 1: 1, 2: 1, 3: 2}
"""Communication buffers by ZeRO stage; stage 3 overlaps reduction and prefetching."""
_UNSHARDED_BUCKET: Final = 500_000_000
"""Elements of the buffer in which DeepSpeed sums gradients at stage 0, and its default elsewhere."""


@dataclass(frozen=True)
class Part:
    """One line of the table."""

    name: str
    bytes: int
    """On this rank's device."""
    note: str = ""
    """How it comes about."""
    host: int = 0
    """Bytes in the machine's memory (or on NVMe) instead."""


@dataclass(frozen=True)
class ZeroSettings:
    """What of a DeepSpeed file decides memory."""

    stage: int
    """0 … 3."""
    optimizer_on_cpu: bool
    """Whether optimizer states (and master weights) are in the machine's memory or on NVMe."""
    parameters_on_cpu: bool
    """Whether weights are, too (stage 3 only)."""
    bucket_elements: int
    """Elements of a communication buffer."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "ZeroSettings":
        """From a resolved configuration."""
        zero = config.get("zero_optimization", {})

        def offloaded(key: str) -> bool:
            return zero.get(key, {}).get("device", "none") != "none"

        return cls(
            stage=int(zero.get("stage", 0)),
            optimizer_on_cpu=offloaded("offload_optimizer"),
            parameters_on_cpu=offloaded("offload_param"),
            bucket_elements=int(zero.get("reduce_bucket_size", _UNSHARDED_BUCKET))
            if zero.get("stage")
            else _UNSHARDED_BUCKET,
        )


def training_state(
    size: PolicySize, trained: int, zero: ZeroSettings, world_size: int, itemsize: int, reference_copy: bool
) -> list[Part]:
    """Weights, gradients, optimizer and buffers of one rank.

    Args:
        size: Parameters of the policy.
        trained: How many of them are trained.
        zero: Stage and offload.
        world_size: Ranks.
        itemsize: Bytes of a weight.
        reference_copy: Whether a frozen copy of the policy stands beside it.
    """
    sharded = {name: world_size if zero.stage >= stage else 1 for name, stage in _SHARDED_FROM.items()}
    weights = (size.base + size.lora) * itemsize // sharded["weights"]
    half = itemsize < FLOAT32
    # From stage 1 on DeepSpeed steps a flat float32 copy of what this rank owns; below float32 it needs one anyway.
    master = FLOAT32 * trained // sharded["optimizer"] if zero.stage or half else 0
    moments = 2 * FLOAT32 * trained // sharded["optimizer"]
    gradients = trained * (itemsize + (FLOAT32 if half and not zero.stage else 0)) // sharded["gradients"]
    return [
        _placed("weights", weights, zero.parameters_on_cpu, sharded["weights"]),
        Part("reference", size.base * itemsize if reference_copy else 0, "" if reference_copy else "adapters off"),
        _placed("gradients", gradients, False, sharded["gradients"]),
        _placed("master weights", master, zero.optimizer_on_cpu, sharded["optimizer"]),
        _placed("optimizer moments", moments, zero.optimizer_on_cpu, sharded["optimizer"]),
        Part("communication buffers", ZERO_BUCKETS[zero.stage] * min(zero.bucket_elements, trained) * itemsize),
    ]


def step_parts(size: PolicySize, config: Any, trained: int, zero: ZeroSettings, world_size: int) -> list[Part]:
    """What one AdamW step adds for a moment; activations are gone by then.

    PyTorch's AdamW makes two tensors of the size of what it steps: a parameter at a time at stage 0; at higher stages
    DeepSpeed steps one flat tensor of all that this rank owns, behind a flat copy of its gradient.
    """
    if zero.optimizer_on_cpu:
        return [Part("AdamW step", 0, "in the machine's memory")]
    if zero.stage:
        return [Part("AdamW step", 3 * FLOAT32 * trained // world_size, "flat gradient and two temporaries")]
    text = config.text_config
    largest = size.lora // text.num_hidden_layers or text.intermediate_size * text.hidden_size
    return [Part("AdamW step", 2 * FLOAT32 * largest, "of the largest matrix, at most")]


_SHARDED_FROM: Final = {"optimizer": 1, "gradients": 2, "weights": 3}
"""The ZeRO stage from which each is divided among the ranks."""


def _placed(name: str, size: int, on_cpu: bool, ranks: int) -> Part:
    shared = f"divided by {ranks}" if ranks > 1 else ""
    if on_cpu:
        return Part(name, 0, "in the machine's memory", host=size)
    return Part(name, size, shared)


def cache_bytes_a_token(config: Any, itemsize: int) -> int:
    """Bytes of keys and values of one token in all layers."""
    text = config.text_config
    head = text.hidden_size // text.num_attention_heads
    return int(2 * text.num_hidden_layers * text.num_key_value_heads * head * itemsize)


def prompts_together(
    config: Any, prompts: int, prompt_tokens: int, n: int, new_tokens: int, itemsize: int, cache_limit: int
) -> int:
    """How many of a rank's prompts the rollout engine takes at one time, within `cache_limit` bytes of cache."""
    a_prompt = cache_bytes_a_token(config, itemsize) * (prompt_tokens + n * new_tokens)
    return max(1, min(prompts, cache_limit // a_prompt))


def rollout_parts(config: Any, together: int, prompt_tokens: int, n: int, new_tokens: int, itemsize: int) -> list[Part]:
    """Caches and logits while completions are sampled.

    Args:
        config: The Thinker's configuration.
        together: Prompts whose completions are sampled at one time.
        prompt_tokens: Tokens of each, audio included.
        n: Completions a prompt.
        new_tokens: Longest completion.
        itemsize: Bytes of a key or value.
    """
    token_bytes = cache_bytes_a_token(config, itemsize)
    logits = together * n * config.text_config.vocab_size
    return [
        # The keys of the prompt are laid out anew before the first copy of them is given up.
        Part("KV cache of prompts", 2 * token_bytes * together * prompt_tokens, f"{together} at a time, twice"),
        Part("KV cache of completions", token_bytes * together * n * new_tokens, f"{together * n} rows"),
        Part("logits", logits * (itemsize + 3 * FLOAT32), "one token a row"),
    ]


def update_parts(
    config: Any, batch: MicroBatch, dtype: torch.dtype, lora: LoraParams | None, checkpointing: bool
) -> list[Part]:
    """What forward and backward of one micro-batch keep."""
    kept, one_layer = saved_bytes(config, batch, dtype, lora, checkpointing)
    chunk = min(LOGIT_CHUNK_BYTES, batch.rows * batch.completion_tokens * config.text_config.vocab_size * FLOAT32)
    note = f"{batch.rows} rows, {batch.tokens:,} tokens"
    return [
        Part("activations", kept, note + (", layers recomputed" if checkpointing else "")),
        # Backward passes free what they have used; measured, the gradients under way are a quarter of a layer.
        Part("one layer at work", one_layer // 4 + (one_layer if checkpointing else 0)),
        Part("logits", LOGIT_COPIES * chunk, "in chunks"),
    ]


def total(parts: list[Part]) -> int:
    """Sum of the parts, in bytes."""
    return sum(part.bytes for part in parts)

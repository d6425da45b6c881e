"""What a forward pass keeps for the backward pass: counted on the meta device, by running the model's own code there.

A formula would have to be kept in step with transformers, PEFT and our LoRA layer; the autograd engine knows.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from soundmind_pipeline.policy.linear import ROW_MULTIPLE
from soundmind_pipeline.policy.params import LoraParams
from soundmind_pipeline.policy.thinker import thinker_of
from soundmind_pipeline.training.planner.model import meta_policy

_ATTENTION: Final = "soundmind_meta_attention"


@dataclass(frozen=True)
class MicroBatch:
    """The shape of one forward and backward pass."""

    prompts: int
    """Different prompts."""
    prompt_tokens: int
    """Tokens of each, audio and text."""
    samples: int
    """Completions of each prompt."""
    completion_tokens: int
    """Tokens of each."""
    share_prefix: bool
    """Whether a prompt's pass serves all its completions."""

    @property
    def rows(self) -> int:
        """Completions."""
        return self.prompts * self.samples

    @property
    def tokens(self) -> int:
        """Tokens that pass through the language model."""
        if self.share_prefix:
            return self.prompts * self.prompt_tokens + self.rows * self.completion_tokens
        return self.rows * (self.prompt_tokens + self.completion_tokens)


def saved_bytes(
    config: Any, batch: MicroBatch, dtype: torch.dtype, lora: LoraParams | None, checkpointing: bool
) -> tuple[int, int]:
    """Bytes that the language model's forward pass keeps, over all layers and of one layer alone.

    Args:
        config: The Thinker's configuration.
        batch: Shape of the pass.
        dtype: Of weights and activations.
        lora: Adapters; None trains the language model itself.
        checkpointing: Whether layers keep their input only and are computed again in the backward pass.

    Returns:
        `(all, one)`: with checkpointing, `all` are the kept inputs, and one layer's `one` comes on top at a time.
    """
    one, two = (_measured(config, batch, dtype, lora, layers) for layers in (1, 2))
    per_layer, rest = two - one, max(0, 2 * one - two)
    layers = config.text_config.num_hidden_layers
    if checkpointing:
        inputs = batch.tokens * config.text_config.hidden_size * dtype.itemsize
        return layers * inputs + rest, per_layer
    return layers * per_layer + rest, per_layer


def _measured(config: Any, batch: MicroBatch, dtype: torch.dtype, lora: LoraParams | None, layers: int) -> int:
    """Bytes kept by a language model of so many layers."""
    smaller = copy.deepcopy(config)
    text = smaller.text_config
    text.num_hidden_layers = layers
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:layers]
    model = meta_policy(smaller, dtype, lora)
    model.train()
    language_model = thinker_of(model).model.language_model
    language_model.rotary_emb = language_model.rotary_emb.to("meta")
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, tuple[Any, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = (storage, storage.nbytes())  # held, so that no other takes its address
        return tensor

    with (
        torch.device("meta"),
        _fused_attention(language_model),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        _forward(language_model, batch, dtype)
    return sum(size for _, size in kept.values())


def _forward(language_model: Any, batch: MicroBatch, dtype: torch.dtype) -> None:
    """As `completion_log_probs` runs it, up to the hidden states."""
    from transformers import DynamicCache

    width = language_model.config.hidden_size
    if not batch.share_prefix:
        length = batch.prompt_tokens + batch.completion_tokens - 1
        _pass(language_model, torch.empty(batch.rows, length, width, dtype=dtype, requires_grad=True), 0, None)
        return
    cache = DynamicCache(config=language_model.config)
    prompt = torch.empty(batch.prompts, _padded(batch.prompt_tokens), width, dtype=dtype)
    _pass(language_model, prompt, 0, cache)
    if batch.completion_tokens < 2:
        return
    owners = torch.zeros(batch.rows, dtype=torch.long)
    for layer in cache.layers:
        layer.keys, layer.values = layer.keys.index_select(0, owners), layer.values.index_select(0, owners)
    rows = torch.empty(batch.rows, _padded(batch.completion_tokens - 1), width, dtype=dtype)
    _pass(language_model, rows, _padded(batch.prompt_tokens), cache)


def _padded(tokens: int) -> int:
    """The width that rows of so many tokens are padded to."""
    return -(-tokens // ROW_MULTIPLE) * ROW_MULTIPLE


def _pass(language_model: Any, embeds: Tensor, past: int, cache: Any) -> None:
    rows, length, _ = embeds.shape
    positions = torch.arange(past, past + length).view(1, 1, -1).expand(3, rows, -1)
    mask = torch.ones(rows, past + length, dtype=torch.long)
    language_model(
        inputs_embeds=embeds, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=bool(cache)
    )


class _FusedAttention(torch.autograd.Function):
    """Keeps what a fused attention kernel keeps: its inputs (the mask as numbers), its output, one number a query."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        output = torch.empty_like(query)
        normalisers = query.new_empty(query.shape[:-1], dtype=torch.float32)
        bias = () if mask is None else (torch.empty_like(mask, dtype=query.dtype),)
        ctx.save_for_backward(query, key, value, output, normalisers, *bias)
        return output


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """Attention as transformers calls it; masked kernels take keys and values of every query head."""
    groups = module.num_key_value_groups
    if attention_mask is not None and groups > 1:
        key, value = (tensor.repeat_interleave(groups, 1) for tensor in (key, value))
    return _FusedAttention.apply(query, key, value, attention_mask).transpose(1, 2).contiguous(), None


def _mask(batch_size: int, q_length: int, kv_length: int, **kwargs: Any) -> Tensor:
    """The mask of a padded batch; rows of a round are never all of one length."""
    return torch.empty(batch_size, 1, q_length, kv_length, dtype=torch.bool)


@contextmanager
def _fused_attention(language_model: Any) -> Iterator[None]:
    """On the meta device PyTorch's own attention would keep the whole matrix of weights, as no GPU kernel does."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(_ATTENTION, _attend)
    ALL_MASK_ATTENTION_FUNCTIONS.register(_ATTENTION, _mask)
    before = language_model.config._attn_implementation
    language_model.config._attn_implementation = _ATTENTION
    try:
        yield
    finally:
        language_model.config._attn_implementation = before

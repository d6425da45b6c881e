"""A transformer layer around its attention, a token at a time: fused copies of the weights, or the live modules."""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from soundmind_pipeline.policy.adapters import effective_weight
from soundmind_pipeline.policy.linear import product


class DecodeLayer(Protocol):
    """The parts of a layer on either side of attention; rows are tokens, one a sequence."""

    def project(self, hidden: Tensor) -> Tensor:
        """From hidden states `[rows, hidden]` to queries (scaled), keys and values side by side `[rows, heads·dim]`."""

    def finish(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """From hidden states and attention output `[rows, heads·dim]` to the layer's output `[rows, hidden]`."""


class FusedLayer:
    """Works on copies: query, key and value in one matrix, gate and up in one, adapters merged in.

    The attention scale stands in the query weights. In memory, copies lie as `[in, out]`, which small products like
    best.
    """

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        scale = attention.scaling
        queries, keys, values = attention.q_proj, attention.k_proj, attention.v_proj
        self._qkv = _by_columns(effective_weight(queries) * scale, effective_weight(keys), effective_weight(values))
        self._qkv_bias = torch.cat([queries.bias * scale, keys.bias, values.bias])
        self._out = _by_columns(effective_weight(attention.o_proj))
        self._gate_up = _by_columns(effective_weight(mlp.gate_proj), effective_weight(mlp.up_proj))
        self._down = _by_columns(effective_weight(mlp.down_proj))
        self._activation = mlp.act_fn
        self._norm_in, self._norm_out = layer.input_layernorm, layer.post_attention_layernorm

    def project(self, hidden: Tensor) -> Tensor:
        """See :class:`DecodeLayer`."""
        return product(rms_norm(hidden, self._norm_in), self._qkv, self._qkv_bias)

    def finish(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """See :class:`DecodeLayer`."""
        hidden = product(attended, self._out).add_(hidden)
        gate, up = product(rms_norm(hidden, self._norm_out), self._gate_up).chunk(2, -1)
        return product(self._activation(gate).mul_(up), self._down).add_(hidden)


class LiveLayer:
    """Calls the layer's own modules, adapters included: no copy of any weight, and DeepSpeed's hooks run."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    def project(self, hidden: Tensor) -> Tensor:
        """See :class:`DecodeLayer`."""
        attention = self._layer.self_attn
        hidden = self._layer.input_layernorm(hidden)
        queries = attention.q_proj(hidden) * attention.scaling
        return torch.cat([queries, attention.k_proj(hidden), attention.v_proj(hidden)], -1)

    def finish(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """See :class:`DecodeLayer`."""
        hidden = hidden + self._layer.self_attn.o_proj(attended)
        return hidden + self._layer.mlp(self._layer.post_attention_layernorm(hidden))


def rms_norm(hidden: Tensor, norm: Any) -> Tensor:
    """The layer's RMS norm in one kernel."""
    return functional.rms_norm(hidden, (hidden.shape[-1],), norm.weight, norm.variance_epsilon)


def _by_columns(*weights: Tensor) -> Tensor:
    """The weights `[out, in]` below each other, column after column in memory."""
    return torch.cat(weights).T.contiguous().T

"""Decoding many samples a prompt over keys and values of the prompt that are kept once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from soundmind_pipeline.policy.rollout.layers import DecodeLayer

_FIRST_ROOM = 128


@dataclass(frozen=True)
class Geometry:
    """Sizes of the attention."""

    heads: int
    """Query heads."""

    kv_heads: int
    """Key and value heads."""

    head_dim: int
    """Width of a head."""


@dataclass
class _LayerCache:
    """Keys and values of one layer; U prompts with n samples each, R = U·n rows."""

    prefix_keys: Tensor  # [U·kv_heads, head_dim, P]
    prefix_values: Tensor  # [U·kv_heads, P, head_dim]
    keys: Tensor  # [R·kv_heads, room, head_dim]
    values: Tensor  # [R·kv_heads, room, head_dim]


class SharedPrefixDecoder:
    """Steps a grid of U prompts by n samples; attention sees the prompt's cache, then the row's own.

    Args:
        layers: The language model's layers.
        geometry: Sizes of the attention.
        rotary: The language model's rotary embedding module.
        prefix: A layer's keys and values of the prompts, `[U, kv_heads, P, head_dim]` each, padded on the left.
        prefix_mask: True where the prompts have tokens, bool `[U, P]`.
        samples: n, rows a prompt.
        max_steps: Steps that will be taken at most.
    """

    def __init__(
        self,
        layers: Sequence[DecodeLayer],
        geometry: Geometry,
        rotary: Any,
        prefix: Sequence[tuple[Tensor, Tensor]],
        prefix_mask: Tensor,
        samples: int,
        max_steps: int,
    ) -> None:
        self._layers = layers
        self._geometry = geometry
        self._rotary = rotary
        self._prompts, self._samples, self._steps = len(prefix_mask), samples, 0
        self._max_steps = max_steps
        self._lengths = prefix_mask.sum(-1)  # [U]
        self._bias = None if bool(prefix_mask.all()) else _padding_bias(prefix_mask, geometry.kv_heads, prefix[0][0])
        rows, room = self._prompts * samples * geometry.kv_heads, min(max_steps, _FIRST_ROOM)
        self._caches = [
            _LayerCache(
                keys.flatten(0, 1).transpose(1, 2).contiguous(),
                values.flatten(0, 1).contiguous(),
                keys.new_empty(rows, room, geometry.head_dim),
                keys.new_empty(rows, room, geometry.head_dim),
            )
            for keys, values in prefix
        ]

    def step(self, hidden: Tensor) -> Tensor:
        """Append one token to every row.

        Args:
            hidden: Embeddings of the tokens, `[R, hidden]`, the samples of a prompt side by side.

        Returns:
            Hidden states `[R, hidden]` in front of the final norm.
        """
        self._make_room()
        cos, sin = self._rotation(hidden)
        for layer, cache in zip(self._layers, self._caches, strict=True):
            attended = self._attend(layer.project(hidden), cache, cos, sin)
            hidden = layer.finish(hidden, attended)
        self._steps += 1
        return hidden

    def keep(self, prompts: Tensor, slots: Tensor) -> Tensor:
        """Drop all but some rows.

        Args:
            prompts: Indices of the prompts to keep, int64 `[U']`.
            slots: For each of them the samples to keep, int64 `[U', n']`.

        Returns:
            Indices of the kept rows, int64 `[U'·n']`.
        """
        heads = torch.arange(self._geometry.kv_heads, device=prompts.device)
        of_prompt = (prompts.unsqueeze(-1) * len(heads) + heads).flatten()
        rows = (prompts.unsqueeze(-1) * self._samples + slots).flatten()
        of_row = (rows.unsqueeze(-1) * len(heads) + heads).flatten()
        all_prompts = len(prompts) == self._prompts
        for cache in self._caches:
            if not all_prompts:
                cache.prefix_keys = cache.prefix_keys.index_select(0, of_prompt)
                cache.prefix_values = cache.prefix_values.index_select(0, of_prompt)
            cache.keys = _kept(cache.keys, of_row, self._steps)
            cache.values = _kept(cache.values, of_row, self._steps)
        if self._bias is not None:
            self._bias = self._bias.index_select(0, of_prompt)
        self._lengths = self._lengths.index_select(0, prompts)
        self._prompts, self._samples = slots.shape
        return rows

    def _rotation(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and signed sine `[R, 1, head_dim]` at the rows' next position."""
        positions = (self._lengths + self._steps).view(1, -1, 1).expand(3, -1, -1)  # the three axes agree in text
        cos, sin = self._rotary(hidden, positions)  # [U, 1, head_dim]
        # rotate_half(x)·sin is x rolled by half its width, times sin with its first half negated.
        half = self._geometry.head_dim // 2
        sin = torch.cat([-sin[..., :half], sin[..., half:]], -1)
        return cos.repeat_interleave(self._samples, 0), sin.repeat_interleave(self._samples, 0)

    def _attend(self, projected: Tensor, cache: _LayerCache, cos: Tensor, sin: Tensor) -> Tensor:
        """Attention output `[R, heads·head_dim]` of one token a row, whose key and value go into the cache."""
        heads, kv, dim = self._geometry.heads, self._geometry.kv_heads, self._geometry.head_dim
        rows, group, now = projected.shape[0], heads // kv, self._steps
        rotated = projected[:, : (heads + kv) * dim].view(rows, heads + kv, dim)
        rotated = torch.addcmul(rotated * cos, rotated.roll(dim // 2, -1), sin)
        cache.keys[:, now] = rotated[:, heads:].reshape(rows * kv, dim)
        cache.values[:, now] = projected[:, (heads + kv) * dim :].reshape(rows * kv, dim)
        queries = rotated[:, :heads]

        grid = (self._prompts, self._samples, kv, group)
        of_prompt = queries.reshape(*grid, dim).transpose(1, 2).reshape(self._prompts * kv, -1, dim)
        on_prefix = self._prefix_scores(of_prompt, cache.prefix_keys)  # [U·kv, n·group, P]
        width = on_prefix.shape[-1]
        on_suffix = torch.bmm(queries.reshape(rows * kv, group, dim), cache.keys[:, : now + 1].transpose(1, 2))
        on_suffix = on_suffix.view(*grid, -1).transpose(1, 2)
        scores = torch.cat([on_prefix.view(self._prompts, kv, self._samples, group, width), on_suffix], -1)
        weights = scores.softmax(-1, dtype=torch.float32).to(scores.dtype)
        of_prefix = torch.bmm(weights[..., :width].reshape(self._prompts * kv, -1, width), cache.prefix_values)
        of_suffix = torch.bmm(
            weights[..., width:].transpose(1, 2).reshape(rows * kv, group, now + 1), cache.values[:, : now + 1]
        )
        attended = of_prefix.view(self._prompts, kv, self._samples, group, dim).transpose(1, 2)
        return (attended + of_suffix.view(*grid, dim)).reshape(rows, heads * dim)

    def _prefix_scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        if self._bias is None:
            return torch.bmm(queries, keys)
        return torch.baddbmm(self._bias, queries, keys)

    def _make_room(self) -> None:
        """Double the room of the rows' caches when it is used up."""
        room = self._caches[0].keys.shape[1]
        if self._steps < room:
            return
        extra = min(room, self._max_steps - room)
        for cache in self._caches:
            cache.keys = _extended(cache.keys, extra)
            cache.values = _extended(cache.values, extra)


def _padding_bias(mask: Tensor, kv_heads: int, like: Tensor) -> Tensor:
    """Zero at tokens and a large negative number at padding, `[U·kv_heads, 1, P]`."""
    bias = torch.zeros(mask.shape, dtype=like.dtype, device=like.device)
    return bias.masked_fill_(~mask, torch.finfo(like.dtype).min / 2).repeat_interleave(kv_heads, 0).unsqueeze(1)


def _kept(cache: Tensor, rows: Tensor, steps: int) -> Tensor:
    kept = cache.new_empty(len(rows), *cache.shape[1:])
    kept[:, :steps] = cache[:, :steps].index_select(0, rows)
    return kept


def _extended(cache: Tensor, extra: int) -> Tensor:
    return torch.cat([cache, cache.new_empty(cache.shape[0], extra, cache.shape[2])], 1)

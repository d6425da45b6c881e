"""Ragged rows of tokens and audio embeddings as rectangular tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from soundmind_pipeline.policy.audio_tower import encode_audio
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.policy.thinker import device_of, thinker_of

Side = Literal["left", "right"]


@dataclass(frozen=True)
class TokenBatch:
    """Rows of tokens, padded."""

    token_ids: Tensor
    """Token ids, int64 `[rows, width]`."""

    mask: Tensor
    """True where a token stands, False at padding; bool `[rows, width]`."""

    @property
    def positions(self) -> Tensor:
        """Rotary position of each token, counted from 0 at the row's first token; int64 `[rows, width]`.

        Audio needs no other positions: Qwen2.5-Omni numbers audio tokens one by one, as it does text.
        """
        return (self.mask.long().cumsum(-1) - 1).clamp_(min=0)


def pad_rows(
    rows: Sequence[Sequence[int]],
    side: Side,
    pad_id: int = 0,
    device: torch.device | str = "cpu",
    multiple: int = 1,
) -> TokenBatch:
    """Pad rows of token ids to the longest one.

    Args:
        rows: Token ids; rows may be empty, but there must be one row.
        side: `left` for prompts that are continued, `right` for completions.
        pad_id: Token id written at padding; it is masked, so any id in the vocabulary will do.
        device: Where the tensors are put.
        multiple: The width is rounded up to a multiple of this number: fewer shapes, for which kernels are kept.
    """
    width = -(-max(len(row) for row in rows) // multiple) * multiple
    if side == "left":
        padded = [[pad_id] * (width - len(row)) + list(row) for row in rows]
    else:
        padded = [list(row) + [pad_id] * (width - len(row)) for row in rows]
    lengths = torch.tensor([len(row) for row in rows]).unsqueeze(-1)
    columns = torch.arange(width)
    mask = columns >= width - lengths if side == "left" else columns < lengths
    token_ids = torch.tensor(padded, dtype=torch.long).reshape(len(rows), width)
    return TokenBatch(token_ids.to(device), mask.to(device))


def prompt_batch(model: nn.Module, prompts: Sequence[Prompt], multiple: int = 1) -> TokenBatch:
    """The prompts' tokens padded on the left to a `multiple`, on the model's device."""
    return pad_rows([prompt.token_ids for prompt in prompts], "left", device=device_of(model), multiple=multiple)


def embed_prompts(model: nn.Module, batch: TokenBatch, prompts: Sequence[Prompt]) -> Tensor:
    """Input embeddings of prompts, with audio embeddings in the places of `<|AUDIO|>`.

    Prompts without `audio_embeds` are encoded here; one that occurs several times is encoded once.

    Args:
        model: A Thinker or a `PeftModel` around one.
        batch: `prompt_batch(model, prompts)`, or any rows whose `<|AUDIO|>` tokens come in the order of `prompts`.
        prompts: One prompt a row.

    Returns:
        Embeddings `[rows, width, hidden]`.

    Raises:
        ValueError: The places of a prompt and its audio embeddings differ in number.
    """
    thinker = thinker_of(model)
    embeds: Tensor = thinker.get_input_embeddings()(batch.token_ids)
    audio_id: int = thinker.config.audio_token_id
    audio = audio_of(model, prompts)
    for prompt, part in zip(prompts, audio, strict=True):
        places = prompt.token_ids.count(audio_id)
        found = 0 if part is None else part.shape[0]
        if places != found:
            raise ValueError(f"a prompt with {places} places of audio has {found} audio embeddings")
    parts = [part for part in audio if part is not None]
    if not parts:
        return embeds
    at = (batch.token_ids == audio_id).unsqueeze(-1)
    return embeds.masked_scatter(at, torch.cat(parts).to(embeds.device, embeds.dtype))


def audio_of(model: nn.Module, prompts: Sequence[Prompt]) -> list[Tensor | None]:
    """Audio embeddings `[tokens, hidden]` of each prompt, None for written ones; the tower sees each prompt once."""
    unheard: dict[int, Prompt] = {}
    for prompt in prompts:
        if prompt.audio_embeds is None and prompt.log_mel is not None:
            unheard.setdefault(id(prompt), prompt)
    encoded = encode_audio(model, [prompt.log_mel for prompt in unheard.values() if prompt.log_mel is not None])
    by_id = dict(zip(unheard, encoded, strict=True))
    return [by_id.get(id(prompt), prompt.audio_embeds) for prompt in prompts]

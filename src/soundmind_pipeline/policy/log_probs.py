"""Log-probabilities of completions, without full-vocabulary logits of the whole batch at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache

from soundmind_pipeline.policy.batch import TokenBatch, embed_prompts, pad_rows, prompt_batch
from soundmind_pipeline.policy.linear import ROW_MULTIPLE
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.policy.thinker import device_of, thinker_of

# Logits at one time, in elements of 4 bytes: 64 MB.
_MAX_LOGITS = 1 << 24
# Stands for minus infinity in banned places; finite, because the entropy multiplies it by a probability of zero.
BANNED_LOGIT = -1e9


@dataclass(frozen=True)
class CompletionLogProbs:
    """Log-probabilities of all tokens of a list of completions, one completion after the other."""

    log_probs: Tensor
    """Natural log-probability of each token; float32 `[tokens]`."""

    lengths: tuple[int, ...]
    """Tokens of each completion."""

    entropy: Tensor | None = None
    """Entropy in nats of the distribution that each token was drawn from, float32 `[tokens]`, where asked for."""

    def split(self) -> list[Tensor]:
        """The log-probabilities of each completion, `[length]` each."""
        return list(self.log_probs.split(list(self.lengths)))


def completion_log_probs(
    model: nn.Module,
    prompts: Sequence[Prompt],
    completions: Sequence[Sequence[int]],
    *,
    temperature: float = 1.0,
    banned_ids: Sequence[int] = (),
    entropy: bool = False,
    chunk_rows: int | None = None,
    share_prefix: bool | None = None,
) -> CompletionLogProbs:
    """Score completions under the policy, with gradients where they are enabled.

    The distribution is the one sampled from: logits with banned tokens removed, divided by the temperature; top-k and
    top-p, which sampling may apply on top, are not. Neighbouring rows with the same `Prompt` object share one pass over
    it: their completions attend to its cached keys and values, through which gradients flow too.

    The output head runs on hidden states of completion places only, in chunks that are recomputed in the backward
    pass. Only modules are called, never weights on their own, so the function may run inside a module that a DeepSpeed
    engine drives, ZeRO-3 included.

    Args:
        model: A Thinker or a `PeftModel` around one.
        prompts: One prompt a completion; repeat the object for the samples of one question.
        completions: Token ids, end of turn included; each at least one token long.
        temperature: The sampling temperature; 0 (greedy) counts as 1.
        banned_ids: `banned_token_ids` of the policy, as in sampling.
        entropy: Whether to compute the entropy too.
        chunk_rows: Hidden states a chunk; by default as many as 64 MB of logits allow.
        share_prefix: Whether neighbours share their prompt; by default they do, unless gradient checkpointing is on
            (it admits no cache).

    Returns:
        Flat tensors over all tokens of all completions, in order.

    Raises:
        ValueError: A completion is empty or holds a banned token, or there are not as many prompts as completions.
    """
    _check(prompts, completions, banned_ids)
    thinker = thinker_of(model)
    if share_prefix is None:
        share_prefix = not (model.training and thinker.is_activation_checkpointing)
    states = _shared_states if share_prefix else _plain_states
    hidden = states(model, prompts, completions)
    device = hidden.device
    targets = torch.tensor([token for row in completions for token in row], device=device)
    head = _Head(thinker.lm_head, torch.tensor(tuple(banned_ids), dtype=torch.long, device=device), temperature or 1.0)
    log_probs, entropies = _chunked(head, hidden, targets, entropy, chunk_rows, thinker.config.text_config.vocab_size)
    return CompletionLogProbs(log_probs, tuple(len(row) for row in completions), entropies if entropy else None)


def _check(prompts: Sequence[Prompt], completions: Sequence[Sequence[int]], banned_ids: Sequence[int]) -> None:
    if len(prompts) != len(completions) or not completions:
        raise ValueError(f"{len(prompts)} prompts for {len(completions)} completions")
    banned = set(banned_ids)
    for index, row in enumerate(completions):
        if not len(row):
            raise ValueError(f"completion {index} is empty")
        if not banned.isdisjoint(row):
            raise ValueError(f"completion {index} holds the banned tokens {sorted(banned.intersection(row))}")


def _plain_states(model: nn.Module, prompts: Sequence[Prompt], completions: Sequence[Sequence[int]]) -> Tensor:
    """Hidden states `[tokens, hidden]` in front of each completion token: one row a completion, prompt included."""
    thinker = thinker_of(model)
    rows = [[*prompt.token_ids, *completion[:-1]] for prompt, completion in zip(prompts, completions, strict=True)]
    batch = pad_rows(rows, "right", device=device_of(model))
    embeds = embed_prompts(model, batch, prompts)
    states = thinker.model.language_model(
        inputs_embeds=embeds, attention_mask=batch.mask.long(), position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    starts = torch.tensor([len(prompt) - 1 for prompt in prompts], device=states.device).unsqueeze(-1)
    lengths = torch.tensor([len(row) for row in completions], device=states.device).unsqueeze(-1)
    columns = torch.arange(states.shape[1], device=states.device)
    return states[(columns >= starts) & (columns < starts + lengths)]


def _shared_states(model: nn.Module, prompts: Sequence[Prompt], completions: Sequence[Sequence[int]]) -> Tensor:
    """The same states as `_plain_states`, with one pass over each run of equal prompts."""
    language_model = thinker_of(model).model.language_model
    unique, owner = _runs(prompts)
    prefix = prompt_batch(model, unique, ROW_MULTIPLE)
    cache = DynamicCache(config=language_model.config)
    prefix_states = language_model(
        inputs_embeds=embed_prompts(model, prefix, unique),
        attention_mask=prefix.mask.long(),
        position_ids=prefix.positions,
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    owners = torch.tensor(owner, device=prefix_states.device)
    first = prefix_states[:, -1].index_select(0, owners).unsqueeze(1)  # predicts each completion's first token
    inputs = pad_rows([row[:-1] for row in completions], "right", device=prefix_states.device, multiple=ROW_MULTIPLE)
    if inputs.token_ids.shape[1]:
        first = torch.cat([first, _continued(language_model, cache, prefix, inputs, owners)], dim=1)
    lengths = torch.tensor([len(row) for row in completions], device=first.device).unsqueeze(-1)
    return first[torch.arange(first.shape[1], device=first.device) < lengths]


def _continued(
    language_model: Any, cache: DynamicCache, prefix: TokenBatch, inputs: TokenBatch, owners: Tensor
) -> Tensor:
    """Hidden states `[rows, width, hidden]` of completion tokens behind their cached prompts."""
    for layer in cache.layers:
        layer.keys = layer.keys.index_select(0, owners)
        layer.values = layer.values.index_select(0, owners)
    mask = prefix.mask.index_select(0, owners)
    states: Tensor = language_model(
        inputs_embeds=language_model.get_input_embeddings()(inputs.token_ids),
        attention_mask=torch.cat([mask, inputs.mask], dim=1).long(),
        position_ids=inputs.positions + mask.sum(-1, keepdim=True),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    return states


def _runs(prompts: Sequence[Prompt]) -> tuple[list[Prompt], list[int]]:
    """Prompts without repeated neighbours, and for each row the index of its prompt among them."""
    unique: list[Prompt] = []
    owner: list[int] = []
    for prompt in prompts:
        if not unique or unique[-1] is not prompt:
            unique.append(prompt)
        owner.append(len(unique) - 1)
    return unique, owner


class _Head:
    """The output head as sampling sees it: banned tokens removed, temperature applied."""

    def __init__(self, lm_head: nn.Module, banned: Tensor, temperature: float) -> None:
        self._lm_head = lm_head
        self._banned = banned
        self._temperature = temperature

    @property
    def frozen_and_spread_out(self) -> bool:
        """Whether the head is frozen and partitioned by ZeRO-3.

        It must then be recomputed in a backward pass of its own: ZeRO-3 gathers frozen weights in no other. A trained
        head must not: DeepSpeed would reduce the gradient of its weight once a chunk.
        """
        return all(hasattr(weight, "ds_id") and not weight.requires_grad for weight in self._lm_head.parameters())

    def __call__(self, hidden: Tensor, targets: Tensor, entropy: bool) -> tuple[Tensor, Tensor]:
        """Log-probabilities `[rows]` of the targets and entropies `[rows]` (zeros `[0]` where not asked for)."""
        logits = self._lm_head(hidden).float()
        if self._temperature != 1.0:
            logits = logits / self._temperature
        if self._banned.numel():
            logits = logits.index_fill(-1, self._banned, BANNED_LOGIT)
        total = logits.logsumexp(-1)
        log_probs = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1) - total
        if not entropy:
            return log_probs, log_probs.new_zeros(0)
        return log_probs, total - ((logits - total.unsqueeze(-1)).exp() * logits).sum(-1)


def _chunked(
    head: _Head, hidden: Tensor, targets: Tensor, entropy: bool, chunk_rows: int | None, vocab_size: int
) -> tuple[Tensor, Tensor]:
    rows = chunk_rows or max(1, _MAX_LOGITS // vocab_size)
    if len(targets) <= rows:  # one chunk: keeping its logits is cheaper than computing them again
        return head(hidden, targets, entropy)
    reentrant = head.frozen_and_spread_out
    parts = [
        checkpoint(head, h, t, entropy, use_reentrant=reentrant) if torch.is_grad_enabled() else head(h, t, entropy)
        for h, t in zip(hidden.split(rows), targets.split(rows), strict=True)
    ]
    log_probs, entropies = zip(*parts, strict=True)
    return torch.cat(log_probs), torch.cat(entropies)

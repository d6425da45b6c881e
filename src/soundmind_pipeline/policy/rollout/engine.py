"""Sampling n completions a prompt, with everything that the samples share computed once."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from soundmind_pipeline.policy.batch import embed_prompts, prompt_batch
from soundmind_pipeline.policy.params import SamplingParams
from soundmind_pipeline.policy.processor import AudioTextProcessor, banned_token_ids
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.policy.rollout.decoder import Geometry, SharedPrefixDecoder
from soundmind_pipeline.policy.rollout.grid import SampleGrid
from soundmind_pipeline.policy.rollout.layers import DecodeLayer, FusedLayer, LiveLayer
from soundmind_pipeline.policy.rollout.rollouts import Progress, Rollouts
from soundmind_pipeline.policy.rollout.sampler import Sampler
from soundmind_pipeline.policy.thinker import evaluation_mode, thinker_of

# Above this many weights a second copy of them is no longer small change.
_FUSE_BELOW = 200_000_000


class SharedPrefixEngine:
    """Rollouts by transformers' own modules for the prompt and a lean loop for the samples.

    Each prompt's audio is encoded once and its tokens are read once; its keys and values are kept once and shared by
    the n samples, which carry only their own. Finished rows leave the batch. Adapters are in effect as they are when
    `generate` is called.

    Args:
        model: A Thinker or a `PeftModel` around one; used as it is at each call, in evaluation mode.
        processor: Gives the end-of-turn token and the control tokens, which are never sampled.
        fuse: Whether to decode with fused copies of the weights, adapters merged in, which are made anew at each call.
            False calls the live modules: no copy, for large models and for weights that ZeRO-3 has spread out (each
            rank then needs the same number of steps, since all take part in gathering a weight; prefer ZeRO-2 on
            several ranks). By default copies are made of language models below 0.2 billion weights, not spread out.
        max_cache_bytes: Bound on keys and values; prompts beyond it wait for the next batch. One prompt with its n
            samples is never divided.

    Raises:
        ValueError: The language model attends through a sliding window, which the decoder does not know.
    """

    def __init__(
        self, model: nn.Module, processor: AudioTextProcessor, fuse: bool | None = None, max_cache_bytes: int = 1 << 30
    ) -> None:
        self._model = model
        self._thinker = thinker_of(model)
        self._language_model = self._thinker.model.language_model
        self._eos: int = processor.tokenizer.eos_token_id
        self._banned = banned_token_ids(processor, self._language_model.config.vocab_size)
        self._fuse = _is_small_and_whole(self._language_model) if fuse is None else fuse
        self._max_cache_bytes = max_cache_bytes
        config = self._language_model.config
        if self._language_model.has_sliding_layers:
            raise ValueError("SharedPrefixEngine knows no sliding-window attention: set use_sliding_window to false")
        attention = self._language_model.layers[0].self_attn
        self._geometry = Geometry(config.num_attention_heads, config.num_key_value_heads, attention.head_dim)

    @property
    def banned_ids(self) -> tuple[int, ...]:
        """Token ids that are never sampled; give them to `completion_log_probs` too."""
        return self._banned

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: SamplingParams,
        generator: torch.Generator | None = None,
        progress: Progress | None = None,
    ) -> Rollouts:
        """Sample `sampling.n` completions of each prompt.

        The same prompts, weights and generator state give the same completions.

        Args:
            prompts: Spoken and written prompts, mixed freely.
            sampling: Number, length and temperature of the completions.
            generator: Source of randomness; None uses torch's global one.
            progress: Called with finished and all completions, whenever some have finished.

        Returns:
            `len(prompts)·n` completions, those of the first prompt first.
        """
        batches = self._batches(prompts, sampling)
        total, ended = len(prompts) * sampling.n, 0
        completions: list[list[int]] = [[] for _ in range(total)]
        log_probs: list[Tensor] = [torch.empty(0)] * total
        finished = [False] * total
        with torch.no_grad(), evaluation_mode(self._model):
            layers: list[DecodeLayer] = [
                FusedLayer(layer) if self._fuse else LiveLayer(layer) for layer in self._language_model.layers
            ]
            for members in batches:
                report = None if progress is None else _offset(progress, ended, total)
                grid = self._run([prompts[i] for i in members], layers, sampling, generator, report)
                rows = [i * sampling.n + k for i in members for k in range(sampling.n)]
                for row, tokens, scores, end in zip(rows, *grid.completions(), strict=True):
                    completions[row], log_probs[row], finished[row] = tokens, scores, end
                ended += len(rows)
                if progress is not None:
                    progress(ended, total)
        return Rollouts(completions, log_probs, finished)

    def _batches(self, prompts: Sequence[Prompt], sampling: SamplingParams) -> list[list[int]]:
        """Indices of prompts that fit into memory together, prompts of like length side by side."""
        config = self._language_model.config
        element = self._language_model.get_input_embeddings().weight.element_size()
        token_bytes = 2 * config.num_hidden_layers * self._geometry.kv_heads * self._geometry.head_dim * element
        batches: list[list[int]] = []
        for index in sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i)):
            # Ascending: a batch is padded to the prompt that comes last.
            prompt_bytes = token_bytes * (len(prompts[index]) + sampling.n * sampling.max_new_tokens)
            if batches and (len(batches[-1]) + 1) * prompt_bytes <= self._max_cache_bytes:
                batches[-1].append(index)
            else:
                batches.append([index])
        return batches

    def _run(
        self,
        prompts: list[Prompt],
        layers: list[DecodeLayer],
        sampling: SamplingParams,
        generator: torch.Generator | None,
        report: Callable[[int], None] | None,
    ) -> SampleGrid:
        """Sample a batch of prompts to the end."""
        hidden, cache, mask = self._prefill(prompts)
        decoder = SharedPrefixDecoder(
            layers,
            self._geometry,
            self._language_model.rotary_emb,
            [(layer.keys, layer.values) for layer in cache.layers],
            mask,
            sampling.n,
            sampling.max_new_tokens,
        )
        del cache
        grid = SampleGrid(len(prompts), sampling.n, sampling.max_new_tokens, self._eos, hidden.device)
        sampler = Sampler(sampling, torch.tensor(self._banned, dtype=torch.long, device=hidden.device), generator)
        logits = self._thinker.lm_head(hidden).repeat_interleave(sampling.n, 0)
        while True:
            tokens, log_probs = sampler(logits)
            some_ended = grid.record(tokens, log_probs)
            if report is not None and some_ended:
                report(grid.ended)
            if grid.done:
                return grid
            if some_ended and (kept := grid.shrink()) is not None:
                tokens = tokens[decoder.keep(*kept)]
            states = decoder.step(self._language_model.embed_tokens(tokens))
            logits = self._thinker.lm_head(self._language_model.norm(states))

    def _prefill(self, prompts: list[Prompt]) -> tuple[Tensor, DynamicCache, Tensor]:
        """Read the prompts: last hidden states `[U, hidden]`, keys and values, and the mask of tokens `[U, P]`."""
        batch = prompt_batch(self._model, prompts)
        cache = DynamicCache(config=self._language_model.config)
        states = self._language_model(
            inputs_embeds=embed_prompts(self._model, batch, prompts),
            attention_mask=batch.mask.long(),
            position_ids=batch.positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return states[:, -1], cache, batch.mask


def _offset(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    return lambda ended: progress(before + ended, total)


def _is_small_and_whole(language_model: nn.Module) -> bool:
    weights = list(language_model.parameters())
    spread_out = any(hasattr(weight, "ds_id") for weight in weights)  # partitioned by ZeRO-3
    return not spread_out and sum(weight.numel() for weight in weights) < _FUSE_BELOW

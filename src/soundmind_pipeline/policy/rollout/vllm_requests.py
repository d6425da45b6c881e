"""Prompts, sampling parameters and completions between our forms and vLLM's."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.log_probs import BANNED_LOGIT
from soundmind_pipeline.policy.params import SamplingParams
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.policy.rollout.rollouts import Rollouts


def prompt_request(prompt: Prompt, audio_id: int) -> dict[str, Any]:
    """A prompt as vLLM takes it: one `<|AUDIO|>`, which vLLM replaces by as many as the frames make.

    The frames go in as what the feature extractor would have made of a wave: `input_audio_features` `[bins, frames]`.

    Raises:
        SoundmindError: The prompt has places of audio but no log-mel frames.
    """
    places = prompt.token_ids.count(audio_id)
    if not places:
        return {"prompt_token_ids": list(prompt.token_ids)}
    if prompt.log_mel is None:
        raise SoundmindError("A spoken prompt without log-mel frames cannot be handed to vLLM.")
    at = prompt.token_ids.index(audio_id)
    features = torch.as_tensor(prompt.log_mel).T.contiguous()
    audio = {
        "input_audio_features": features,
        "audio_feature_lengths": torch.tensor([features.shape[1]]),
        "feature_attention_mask": torch.ones(1, features.shape[1], dtype=torch.long),
    }
    tokens = [*prompt.token_ids[:at], audio_id, *prompt.token_ids[at + places :]]
    return {"prompt_token_ids": tokens, "multi_modal_data": {"audio": audio}}


def sampling_requests(
    prompts: int, sampling: SamplingParams, generator: torch.Generator | None, eos: int, banned: Sequence[int]
) -> list[Any]:
    """The sampling parameters of each prompt, as vLLM takes them.

    Args:
        prompts: Number of prompts.
        sampling: Number, length and temperature of the completions.
        generator: Source of each prompt's seed; None uses torch's global one.
        eos: The end-of-turn token.
        banned: Token ids that are never sampled.
    """
    import vllm

    device = generator.device if generator is not None else torch.device("cpu")
    # vLLM gives sample k of a prompt the seed s + k.
    seeds = torch.randint(1 << 62, (prompts,), generator=generator, device=device).tolist()
    return [
        vllm.SamplingParams(
            n=sampling.n if sampling.temperature else 1,  # vLLM refuses several greedy samples
            temperature=sampling.temperature,
            seed=seed,
            max_tokens=sampling.max_new_tokens,
            # Only our end of turn ends a completion, whatever the tokenizer's files say.
            ignore_eos=True,
            stop_token_ids=[eos],
            # Not bad_words: these are texts, and ids behind the tokenizer's last token have none. Nor
            # allowed_token_ids: vLLM admits 1,024 of them, and as many biases; the 7B has some 400 banned ids.
            logit_bias=dict.fromkeys(banned, BANNED_LOGIT),
            logprobs=0,  # of the sampled token alone
            detokenize=False,
        )
        for seed in seeds
    ]


def rollouts_of(prompts: Sequence[Prompt], outputs: Sequence[Any], samples: int, eos: int) -> Rollouts:
    """What vLLM returned, as rollouts; a greedy completion stands for all n samples.

    Raises:
        SoundmindError: vLLM read a prompt differently.
    """
    completions: list[list[int]] = []
    log_probs: list[Tensor] = []
    for prompt, output in zip(prompts, outputs, strict=True):
        if tuple(output.prompt_token_ids) != prompt.token_ids:
            raise SoundmindError(
                f"vLLM read {len(output.prompt_token_ids)} tokens where the prompt has {len(prompt)}: "
                "it counts places of audio differently.",
                "Use vLLM 0.32.0, or set rl.rollout_engine: shared_prefix.",
            )
        ordered = sorted(output.outputs, key=lambda each: each.index)
        for sample in ordered if len(ordered) == samples else ordered * samples:
            tokens = list(sample.token_ids)
            values = [place[token].logprob for place, token in zip(sample.logprobs, tokens, strict=True)]
            completions.append(tokens)
            log_probs.append(torch.tensor(values, dtype=torch.float32))
    return Rollouts(completions, log_probs, [tokens[-1] == eos for tokens in completions])

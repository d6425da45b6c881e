"""A full Qwen2.5-Omni checkpoint that speaks given texts.

The thinker is made to write the text, token by token, so that the talker gets the hidden states of exactly this text;
`generate` of transformers does the rest.
"""

import hashlib
import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from transformers import Qwen2_5OmniForConditionalGeneration as Omni

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.folder import ModelFolder, load_policy, load_weights
from soundmind_pipeline.policy.processor import load_processor
from soundmind_pipeline.policy.prompts import PromptEncoder
from soundmind_pipeline.policy.talker_params import TalkerParams

TALKER_RATE: Final = 24_000
"""Rate of token2wav's waves, in Hz."""

SYSTEM: Final = (
    "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of perceiving auditory and visual"
    " inputs, as well as generating text and speech."
)
"""The system message that, by its model card, Qwen2.5-Omni wants in front of speech."""


class TalkerModel:
    """A full checkpoint in memory.

    Args:
        folder: The checkpoint.
        voices: Contents of its `spk_dict.pt`.
        params: Thinker, device, dtype and sampling.

    Raises:
        SoundmindError: The weights do not fit the configuration, or the adapter's thinker not the talker.
    """

    def __init__(self, folder: Path, voices: dict[str, Any], params: TalkerParams) -> None:
        # Not Omni's own from_pretrained, which cannot tell what is missing.
        model = load_weights(super(Omni, Omni).from_pretrained, folder, params.dtype)  # type: ignore[misc]
        model.speaker_map = voices
        if params.adapter is not None:
            _replace_thinker(model, params.adapter, params.dtype)
        self.model = model.to(params.device).eval()
        self.processor = load_processor(folder)
        self._prompts = PromptEncoder(self.processor, params.instruction, SYSTEM)
        self._params = params

    def speak(self, text: str, voice: str) -> tuple[np.ndarray, bool]:
        """Speak ``text``, whatever the thinker itself would answer.

        Returns:
            Samples ``[samples]`` float32 at :data:`TALKER_RATE`, and whether the talker ended by itself.
        """
        prompt = torch.tensor([self._prompts.encode(text, None, "text").token_ids], device=self._params.device)
        devices = [torch.cuda.current_device()] if self._params.device == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(_seed_of(self._params.seed, voice, text))
            _, wave = self.model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                generation_mode="audio",
                speaker=voice,
                **self._dictation(prompt.shape[1], self.reply_ids(text)),
                **self._sampling(),
            )
        return wave.cpu().numpy(), len(wave) < self._params.max_new_tokens * self._samples_per_token()

    def reply_ids(self, text: str) -> list[int]:
        """The tokens that the thinker is made to write: ``text`` (control tokens in it spelled out), end of turn."""
        tokenizer = self.processor.tokenizer
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return [*ids, tokenizer.eos_token_id]

    def _dictation(self, prompt_length: int, reply: list[int]) -> dict[str, Any]:
        """Arguments of `generate` that leave the thinker one token at each place."""
        return {
            "thinker_prefix_allowed_tokens_fn": lambda _, ids: [reply[len(ids) - prompt_length]],
            "thinker_max_new_tokens": len(reply),
            "thinker_do_sample": False,
            "thinker_eos_token_id": reply[-1],
            "thinker_pad_token_id": self.processor.tokenizer.pad_token_id,
        }

    def _sampling(self) -> dict[str, Any]:
        """Arguments of `generate` for the talker."""
        params, talker = self._params, self.model.config.talker_config
        ends = [talker.tts_codec_pad_token_id, talker.tts_codec_end_token_id]
        # Ids behind the codec's own have no embedding in token2wav: a sampled one would crash it.
        known = self.model.config.token2wav_config.dit_config.num_embeds
        return {
            "talker_do_sample": params.do_sample,
            "talker_temperature": params.temperature,
            "talker_top_k": params.top_k,
            "talker_top_p": params.top_p,
            "talker_repetition_penalty": params.repetition_penalty,
            "talker_min_new_tokens": 1,  # token2wav cannot make a wave of nothing
            "talker_max_new_tokens": params.max_new_tokens,
            "talker_eos_token_id": ends,
            "talker_bad_words_ids": [[code] for code in range(known, talker.vocab_size) if code not in ends],
        }

    def _samples_per_token(self) -> int:
        config = self.model.config.token2wav_config
        return int(config.dit_config.repeats * math.prod(config.bigvgan_config.upsample_rates))


def _seed_of(seed: int, voice: str, text: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{voice}/{text}".encode()).digest()[:8], "big")


def _replace_thinker(model: Any, adapter: str, dtype: str) -> None:
    """Put a policy in the place of the checkpoint's thinker, its adapter merged."""
    own = model.config.thinker_config.text_config
    model.thinker = None  # two of them may not fit in memory
    folder = ModelFolder(Path(adapter))
    thinker = load_policy(folder, dtype).model
    thinker = thinker.merge_and_unload() if folder.is_adapter else thinker
    text = thinker.config.text_config
    if (text.hidden_size, text.vocab_size) != (own.hidden_size, own.vocab_size):
        raise SoundmindError(
            f"The policy in {adapter} (width {text.hidden_size}, {text.vocab_size} tokens) does not fit the talker,"
            f" which listens to a thinker of width {own.hidden_size} with {own.vocab_size} tokens.",
            "Name a policy that was trained from this checkpoint, or null for the checkpoint's own thinker.",
        )
    model.thinker = thinker

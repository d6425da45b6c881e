"""From a question, spoken or written, to the tokens that the policy answers."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from torch import Tensor

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.processor import AudioTextProcessor
from soundmind_pipeline.speech.log_mel import audio_token_count

Modality = Literal["audio", "text", "audio_text"]


@dataclass(frozen=True, eq=False)
class Prompt:
    """One prompt; two prompts are the same only if they are the same object."""

    token_ids: tuple[int, ...]
    """The whole prompt; every audio embedding has its own `<|AUDIO|>` token."""

    log_mel: np.ndarray | None = None
    """Log-mel frames `[frames, 128]`, float32; None for a written question."""

    audio_embeds: Tensor | None = None
    """Output of the audio tower `[tokens, hidden]`, when it is at hand; it is then used in place of `log_mel`."""

    def with_audio_embeds(self, audio_embeds: Tensor) -> "Prompt":
        """The same prompt with the output of the audio tower `[tokens, hidden]` at hand."""
        return replace(self, audio_embeds=audio_embeds)

    def __len__(self) -> int:
        return len(self.token_ids)


class PromptEncoder:
    """Renders questions through the processor's chat template.

    A written question stands before the instruction, on a line of its own; a spoken one stands in its place; one that
    is both heard and read is heard first. Text that spells a control token (`<|im_end|>`) gets a space behind its `<`,
    so that no question can end its turn.

    Args:
        processor: The policy's processor; its template decides on system prompts (the 7B's adds one, the nano's none).
        instruction: What is asked about the question; may be empty.
        system: A system message; None leaves the choice to the template.
    """

    def __init__(self, processor: AudioTextProcessor, instruction: str, system: str | None = None) -> None:
        self._processor = processor
        self._instruction = instruction
        self._system = system
        tokens = processor.tokenizer.added_tokens_decoder.values()
        self._control = [token.content for token in tokens if token.special]

    def encode(self, user_content: str, log_mel: np.ndarray | None, modality: Modality) -> Prompt:
        """Make the prompt of one question.

        Args:
            user_content: The question as text; not looked at for `audio`.
            log_mel: The spoken question, float32 `[frames, 128]`; not looked at for `text`.
            modality: Whether the policy hears or reads the question, or does both.

        Raises:
            SoundmindError: No audio, or too little, where there should be some; a chat template without a place for it.
        """
        lines = [self._instruction] if modality == "audio" else [self._defused(user_content), self._instruction]
        written = "\n".join(line for line in lines if line)
        parts = [{"type": "text", "text": written}] if written else []
        if modality == "text":
            return Prompt(tuple(self._tokens(parts)))
        if log_mel is None:
            raise SoundmindError("A question that should be heard has no audio.", "Run the features stage first.")
        places = audio_token_count(log_mel.shape[0])
        if places < 1:
            raise SoundmindError(f"A spoken question of {log_mel.shape[0]} frames is too short to be heard.")
        parts.insert(0, {"type": "audio", "audio": "question"})
        return Prompt(tuple(self._with_places(self._tokens(parts), places)), log_mel=log_mel)

    def _tokens(self, parts: list[dict[str, str]]) -> list[int]:
        messages: list[dict[str, Any]] = [{"role": "user", "content": parts}]
        if self._system is not None:
            messages.insert(0, {"role": "system", "content": [{"type": "text", "text": self._system}]})
        text = self._processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        token_ids: list[int] = self._processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        return token_ids

    def _with_places(self, token_ids: list[int], places: int) -> list[int]:
        audio_id = self._processor.audio_token_id
        if token_ids.count(audio_id) != 1:
            raise SoundmindError(
                f"The chat template writes {token_ids.count(audio_id)} places of audio for one spoken question.",
                "Use the chat template of Qwen2.5-Omni, or one that writes <|audio_bos|><|AUDIO|><|audio_eos|>.",
            )
        at = token_ids.index(audio_id)
        return [*token_ids[:at], *[audio_id] * places, *token_ids[at + 1 :]]

    def _defused(self, text: str) -> str:
        for token in self._control:
            text = text.replace(token, f"{token[:1]} {token[1:]}")
        return text

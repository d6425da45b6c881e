"""Answering questions that come from outside: a sound file's path, its bytes in base64, or text."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.rewards.verdict import Verdict, parse_verdict
from soundmind_pipeline.speech.audio import audio_of, load_audio
from soundmind_pipeline.speech.log_mel import log_mel

if TYPE_CHECKING:
    from soundmind_pipeline.policy.folder import ModelFolder
    from soundmind_pipeline.policy.prompts import Modality, Prompt


@dataclass(frozen=True)
class Question:
    """One question; at least one of the two is given, and one that is given twice is both heard and read."""

    audio: str | None
    """Path of a WAV, FLAC, OGG or MP3 file, or its bytes in base64."""
    text: str | None
    """The question in writing."""


@dataclass(frozen=True)
class Answer:
    """What the policy says."""

    response: str
    """The whole response."""
    verdict: Verdict | None
    """Its verdict; None if it is badly formed."""
    reason: str | None
    """Why there is no verdict."""


class Answerer:
    """A policy that answers greedily.

    Args:
        policy: Its folder.
        instruction: What it was trained to be asked.
        style: Format of its answers.
        max_new_tokens: Longest answer.
        dtype: Precision of its weights.
    """

    def __init__(
        self, policy: "ModelFolder", instruction: str, style: Literal["think", "plain"], max_new_tokens: int, dtype: str
    ) -> None:
        import torch

        from soundmind_pipeline.policy.folder import load_policy
        from soundmind_pipeline.policy.prompts import PromptEncoder
        from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine

        loaded = load_policy(policy, dtype=dtype)
        loaded.model.to("cuda" if torch.cuda.is_available() else "cpu")  # as the evaluation does
        self._tokenizer = loaded.processor.tokenizer
        self._engine = SharedPrefixEngine(loaded.model, loaded.processor)
        self._encoder = PromptEncoder(loaded.processor, instruction)
        self._style, self._max_new_tokens = style, max_new_tokens

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer for each question, in their order.

        Raises:
            SoundmindError: A question has neither sound nor text, or its sound cannot be used; names the question.
        """
        from soundmind_pipeline.policy.params import SamplingParams

        if not questions:
            return []
        prompts = [self._prompt(place, question) for place, question in enumerate(questions, start=1)]
        sampling = SamplingParams(n=1, max_new_tokens=self._max_new_tokens, temperature=0.0)
        rollouts = self._engine.generate(prompts, sampling, None)
        texts = self._tokenizer.batch_decode(rollouts.completions, skip_special_tokens=True)
        parsed = [(text, parse_verdict(text, self._style)) for text in texts]
        return [Answer(text, found.verdict, found.reason) for text, found in parsed]

    def _prompt(self, place: int, question: Question) -> "Prompt":
        try:
            if not question.audio:
                if not question.text:
                    raise SoundmindError("neither audio nor question", "Give a sound file, or the question in writing.")
                return self._encoder.encode(question.text, None, "text")
            mel = log_mel(read_sound(question.audio))
            modality: Modality = "audio_text" if question.text else "audio"
            return self._encoder.encode(question.text or "", mel, modality)
        except SoundmindError as error:
            raise SoundmindError(f"question {place}: {error.message}", error.hint) from error


def read_sound(audio: str) -> np.ndarray:
    """The sound behind a path or base64 text (``data:audio/wav;base64,`` may stand before it), float32, 16 kHz.

    Raises:
        SoundmindError: It is neither, or no sound that can be used.
    """
    if _is_file(audio):
        return load_audio(audio)
    encoded = audio.partition(",")[2] if audio.startswith("data:") else audio
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        shown = audio if len(audio) < 80 else f"{audio[:77]}..."
        raise SoundmindError(
            f"audio is neither a file nor base64: {shown}",
            "Give a path on the model's machine, or the bytes in base64.",
        ) from error
    return audio_of(data, Path("audio"))


def _is_file(audio: str) -> bool:
    try:
        return Path(audio).is_file()
    except OSError:  # base64 is too long for a name
        return False

"""What every recogniser offers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from soundmind_pipeline.speech.audio import load_audio

SAMPLE_RATE: Final = 16_000
"""Rate of the waves that every recogniser takes, in Hz."""

Clip = np.ndarray | Path | str
"""A wave (``[samples]`` float32 mono 16 kHz in [-1, 1]) or the path of a sound file."""


class Recogniser(ABC):
    """Writes down English speech; the same clip gives the same words, whatever was heard before it."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Who listens, for provenance, in JSON values.

        Returns:
            ``recogniser`` with the package's version, ``model``, ``weights`` (sha256 by file name) and settings.
        """

    @abstractmethod
    def transcribe_many(self, clips: Iterable[Clip]) -> list[str]:
        """What is said in each clip, in order; an empty text where nothing is heard.

        Clips of any length; they are read one after another, not all at once.

        Raises:
            AudioError: A file is missing or cannot be used.
        """


def wave_of(clip: Clip) -> np.ndarray:
    """``clip`` as a wave: ``[samples]`` float32."""
    return clip.astype(np.float32, copy=False) if isinstance(clip, np.ndarray) else load_audio(clip, SAMPLE_RATE)

"""Clips inside a page: ``data:`` URIs that every browser plays, within a budget of bytes."""

import base64
import io
from typing import Final

import numpy as np

SAMPLE_RATE: Final = 16_000
LOSSLESS_SECONDS: Final = 6.0
"""Longest clip that stands in the page as WAV; a longer one as MP3, which is a sixth of it."""
BUDGET: Final = 9_000_000
"""Characters of all clips of a page together: a page should still open on a phone."""


def wav_data_uri(wave: np.ndarray, rate: int = SAMPLE_RATE) -> str:
    """A clip as a ``data:`` URI, 16-bit WAV: no sample is changed but by rounding.

    Args:
        wave: float32 [samples] in [-1, 1], mono.
        rate: Samples a second.
    """
    return _data_uri(wave, rate, "audio/wav", format="WAV", subtype="PCM_16")


def clip_uri(wave: np.ndarray, rate: int = SAMPLE_RATE) -> str:
    """A clip as a ``data:`` URI: 16-bit WAV if it is short, else MP3.

    Args:
        wave: float32 [samples] in [-1, 1], mono.
        rate: Samples a second.
    """
    if len(wave) <= LOSSLESS_SECONDS * rate:
        return wav_data_uri(wave, rate)
    return _data_uri(wave, rate, "audio/mpeg", format="MP3", subtype="MPEG_LAYER_III")


def _data_uri(wave: np.ndarray, rate: int, media: str, **kind: str) -> str:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.asarray(wave, dtype=np.float32), rate, **kind)
    return f"data:{media};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


class Players:
    """Hands out clips until the page has as many as it can carry.

    Args:
        budget: Characters of all clips together.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._left = budget

    def uri(self, wave: np.ndarray) -> str:
        """The clip as :func:`clip_uri` gives it; empty once the budget is spent."""
        uri = clip_uri(wave)
        if len(uri) > self._left:
            return ""
        self._left -= len(uri)
        return uri

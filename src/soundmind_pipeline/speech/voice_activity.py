"""Where in a clip somebody speaks, by its energy.

This tells speech from silence and from steady noise below it; it does not tell speech from music or from loud noise.
"""

import math
from typing import Final

import numpy as np

FRAME_SECONDS: Final = 0.025
HOP_SECONDS: Final = 0.010
SILENCE_DB: Final = -60.0
"""Frames below this level (RMS, dB of full scale) are never speech."""
RANGE_DB: Final = 35.0
"""Frames this far below the clip's loud level are never speech."""
NOISE_MARGIN_DB: Final = 8.0
"""Speech stands at least this far above a clip's noise floor."""
LONGEST_GAP_SECONDS: Final = 0.20
"""Shorter gaps (stops, breaths between words) belong to the speech around them."""
SHORTEST_SPEECH_SECONDS: Final = 0.06
"""Shorter bursts are clicks."""


def frame_levels(wave: np.ndarray, rate: int) -> np.ndarray:
    """RMS level of each frame of 25 ms, every 10 ms.

    Args:
        wave: ``[samples]``.
        rate: In Hz.

    Returns:
        ``[frames]`` float64, dB of full scale, -120 at the least; a clip shorter than a frame has one frame.
    """
    length, hop = round(FRAME_SECONDS * rate), round(HOP_SECONDS * rate)
    if len(wave) <= length:
        return _decibels(np.square(wave, dtype=np.float64).sum(keepdims=True) / max(1, len(wave)))
    # Frames overlap: the energy of the blocks that they share is summed once.
    block = math.gcd(length, hop)
    blocks = np.reshape(wave[: len(wave) // block * block], (-1, block))
    energy = np.concatenate([[0.0], np.cumsum(np.einsum("ij,ij->i", blocks, blocks), dtype=np.float64)])
    starts = np.arange(0, len(wave) - length + 1, hop) // block
    return _decibels((energy[starts + length // block] - energy[starts]) / length)


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 1e-12))


def threshold(levels: np.ndarray) -> float:
    """The level in dB from which a frame counts as speech.

    It adapts to the clip: below its loud level by a fixed range, but above its noise floor. The floor counts only
    where the clip has two levels at all: in a clip that is speech from end to end its quietest frames are speech.
    """
    loud, floor = np.percentile(levels, [95, 5])
    adaptive = loud - RANGE_DB
    if loud - floor > 2 * NOISE_MARGIN_DB:
        adaptive = max(adaptive, floor + NOISE_MARGIN_DB)
    return float(max(SILENCE_DB, adaptive))


def speech_segments(wave: np.ndarray, rate: int = 16_000) -> list[tuple[float, float]]:
    """Stretches of speech.

    Args:
        wave: ``[samples]`` mono, in [-1, 1].
        rate: In Hz.

    Returns:
        ``(start, end)`` in seconds, in order, not overlapping; empty for an empty or silent clip.
    """
    if len(wave) == 0:
        return []
    levels = frame_levels(wave, rate)
    edges = np.diff(np.concatenate([[0], (levels >= threshold(levels)).astype(np.int8), [0]]))
    # A frame of 25 ms stands for the 10 ms around its middle.
    shift = (FRAME_SECONDS - HOP_SECONDS) / 2
    total = len(wave) / rate
    merged: list[list[float]] = []
    for first, past in zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True):
        start = 0.0 if first == 0 else first * HOP_SECONDS + shift
        end = total if past == len(levels) else past * HOP_SECONDS + shift
        if merged and start - merged[-1][1] < LONGEST_GAP_SECONDS:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return [(start, min(end, total)) for start, end in merged if end - start >= SHORTEST_SPEECH_SECONDS]


def speech_seconds(wave: np.ndarray, rate: int = 16_000) -> float:
    """How long somebody speaks in a clip, in seconds: the sum of :func:`speech_segments`."""
    return float(sum(end - start for start, end in speech_segments(wave, rate)))

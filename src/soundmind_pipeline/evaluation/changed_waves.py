"""What may happen to a spoken question before it is heard: noise, and another speed.

Waves are float32 [samples], 16 kHz mono, full scale at 1. Changed waves are not clipped: a loud one may pass full
scale, as it could not in a file, but clipping would be a second disturbance beside the one that is asked about.
"""

import hashlib
from typing import Final

import numpy as np

from soundmind_pipeline.speech.voice_activity import speech_segments

RATE: Final = 16_000
FRAME: Final = 512
"""Samples of a piece that is moved as a whole: 32 ms, two periods of the lowest voice."""
OVERLAP: Final = FRAME // 2
TOLERANCE: Final = 160
"""Samples by which a piece may be moved from its place in time to fit its neighbour: 10 ms, a period at 100 Hz."""


def with_noise(wave: np.ndarray, snr_db: float, seed: str) -> np.ndarray:
    """The wave with white Gaussian noise from its first sample to its last.

    Args:
        wave: [samples].
        snr_db: Mean power of the speech over that of the noise, in dB. The speech is what voice activity finds, so that
            pauses do not make the noise weaker; a clip without any counts as a whole.
        seed: Any text; the same text gives the same noise.

    Returns:
        float32 [samples].
    """
    parts = [wave[round(start * RATE) : round(end * RATE)] for start, end in speech_segments(wave, RATE)]
    speech = np.concatenate(parts) if parts else wave
    power = float(np.mean(np.square(speech, dtype=np.float64))) / 10 ** (snr_db / 10)
    rng = np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()))
    return (wave + rng.normal(0.0, np.sqrt(power), len(wave))).astype(np.float32)


def at_speed(wave: np.ndarray, speed: float) -> np.ndarray:
    """The wave spoken ``speed`` times as fast in the same voice: WSOLA (Verhelst and Roelands, ICASSP 1993).

    Pieces of the wave are added up closer together or farther apart; each is taken where it continues the piece before
    it best, by normalised cross-correlation, within :data:`TOLERANCE` of its place. Pitch and timbre stay, and unlike
    under a phase vocoder so do the edges of consonants. The speaker's own slower or faster manner (pauses, reduced
    vowels) is not imitated.

    Args:
        wave: [samples].
        speed: Above 1 is faster.

    Returns:
        float32 [round(samples / speed)].

    Raises:
        ValueError: The speed is not within 0.5 to 2.
    """
    if not 0.5 <= speed <= 2:
        raise ValueError(f"at_speed changes the speed by factors of 0.5 to 2, not {speed}")
    # One piece of silence in front gives the first sample its full weight; behind, pieces may reach past the end.
    source = np.pad(np.asarray(wave, dtype=np.float64), (OVERLAP + TOLERANCE, 4 * FRAME))
    length = round(len(wave) / speed)
    pieces = -(-length // OVERLAP) + 1
    out = np.zeros((pieces + 1) * OVERLAP)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)  # with its half-shifted self it sums to 1
    expected = source[TOLERANCE : TOLERANCE + FRAME]
    for piece in range(pieces):
        earliest = round(piece * OVERLAP * speed)
        near = source[earliest : earliest + FRAME + 2 * TOLERANCE]
        start = earliest + _best_fit(near, expected)
        out[piece * OVERLAP : piece * OVERLAP + FRAME] += window * source[start : start + FRAME]
        expected = source[start + OVERLAP : start + OVERLAP + FRAME]
    return out[OVERLAP : OVERLAP + length].astype(np.float32)


def _best_fit(near: np.ndarray, expected: np.ndarray) -> int:
    """Where in ``near`` the stretch most like ``expected`` starts; in the middle if it is silent."""
    likeness = np.correlate(near, expected, mode="valid")
    energy = np.convolve(np.square(near), np.ones(len(expected)), mode="valid")
    if likeness.max() <= 0:
        return TOLERANCE
    return int(np.argmax(likeness / np.sqrt(energy + 1e-12)))

"""A few numbers that describe how a clip sounds, for tables and for finding the odd one out."""

import librosa
import numpy as np

from soundmind_pipeline.speech.log_mel import HOP_LENGTH, N_FFT

DESCRIPTORS = ("rms_db", "peak_db", "spectral_centroid_hz", "zero_crossing_rate")
"""Names of the descriptors, in order."""


def describe(wave: np.ndarray, rate: int = 16_000) -> dict[str, float]:
    """Loudness and brightness of a clip.

    Args:
        wave: ``[samples]`` float32 mono, in [-1, 1], not empty.
        rate: In Hz.

    Returns:
        ``rms_db`` and ``peak_db`` (dB of full scale, -120 at the least), ``spectral_centroid_hz`` (mean over frames,
        weighted by their magnitude, so that pauses do not count) and ``zero_crossing_rate`` (crossings a sample).
    """
    magnitude = np.abs(librosa.stft(wave, n_fft=N_FFT, hop_length=HOP_LENGTH))  # [201, frames]
    centroid = librosa.feature.spectral_centroid(S=magnitude, sr=rate, n_fft=N_FFT)[0]  # [frames]
    weight = magnitude.sum(axis=0)
    crossings = librosa.feature.zero_crossing_rate(wave, frame_length=N_FFT, hop_length=HOP_LENGTH)
    return {
        "rms_db": _decibels(float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))),
        "peak_db": _decibels(float(np.abs(wave).max())),
        "spectral_centroid_hz": float((centroid * weight).sum() / max(float(weight.sum()), 1e-12)),
        "zero_crossing_rate": float(crossings.mean()),
    }


def _decibels(amplitude: float) -> float:
    return float(20 * np.log10(max(amplitude, 1e-6)))

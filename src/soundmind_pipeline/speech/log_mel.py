"""The 128-bin log-mel spectrogram of Whisper and Qwen2.5-Omni, of a clip of any length, without padding to 30 s."""

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from soundmind_pipeline.errors import SoundmindError

# torch and librosa are imported inside the functions: the constants and shapes are needed where neither is.
if TYPE_CHECKING:
    import torch

SAMPLE_RATE: Final = 16_000
N_FFT: Final = 400
HOP_LENGTH: Final = 160
MEL_BINS: Final = 128
MINIMUM_SAMPLES: Final = N_FFT // 2 + 1
"""Shortest clip, in samples: the first window is mirrored about the first sample."""


@cache
def _window() -> "torch.Tensor":
    import torch

    return torch.hann_window(N_FFT)


@cache
def _mel_filters() -> "torch.Tensor":
    """``[MEL_BINS, N_FFT // 2 + 1]`` float32, Slaney scale and norm, 0 to 8,000 Hz."""
    import torch
    from librosa.filters import mel

    filters = mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=MEL_BINS, norm="slaney", dtype=np.float64)
    return torch.from_numpy(filters.astype(np.float32))


def log_mel(wave: np.ndarray) -> np.ndarray:
    """The log-mel spectrogram, as ``WhisperFeatureExtractor(feature_size=128)`` computes it without padding.

    torch.stft is what the extractor uses: numpy's FFT in float32 differs from it by up to 6e-5 after the logarithm.

    Args:
        wave: ``[samples]`` mono 16 kHz, in [-1, 1]; at least :data:`MINIMUM_SAMPLES`.

    Returns:
        ``[samples // 160, 128]`` float32: one frame every 10 ms, time first.

    Raises:
        SoundmindError: The clip is too short for one frame, or not one channel.
    """
    import torch

    if wave.ndim != 1 or len(wave) < MINIMUM_SAMPLES:
        raise SoundmindError(
            f"No log-mel of samples of shape {wave.shape}: need one channel of {MINIMUM_SAMPLES} or more."
        )
    samples = torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32))
    spectrum = torch.stft(samples, N_FFT, HOP_LENGTH, window=_window(), return_complex=True)  # [201, frames + 1]
    power = (spectrum[:, :-1].abs() ** 2).contiguous()
    levels = torch.clamp(_mel_filters() @ power, min=1e-10).log10()  # [128, frames]
    levels = torch.maximum(levels, levels.max() - 8.0)
    return ((levels + 4.0) / 4.0).T.contiguous().numpy()


def audio_token_count(frames: int) -> int:
    """How many audio tokens (25 a second) ``frames`` log-mel frames become in Qwen2.5-Omni's audio tower.

    A stride-2 convolution halves the frames, then a stride-2 average pool halves them again.
    """
    return max(0, ((frames - 1) // 2 + 1 - 2) // 2 + 1)

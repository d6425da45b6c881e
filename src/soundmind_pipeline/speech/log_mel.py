"""The 128-bin log-mel spectrogram of Whisper and Qwen2.5-Omni, of a clip of any length, without padding to 30 s."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
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
FRAMES_PER_SECOND: Final = SAMPLE_RATE // HOP_LENGTH
MINIMUM_SAMPLES: Final = N_FFT // 2 + 1
"""Shortest clip, in samples: the first window is mirrored about the first sample."""
REVISION: Final = 2
"""Raised whenever :func:`log_mel` gives other numbers, so that shards of two revisions are never mixed."""

_BLOCK_FRAMES: Final = 512
"""Frames that go through all steps together: their spectra fit in a core's cache."""
_BAND_FILTERS: Final = 16
"""Filters multiplied together: a mel filter is zero outside its band, and most of the bank is zeros."""


@cache
def _window() -> "torch.Tensor":
    import torch

    return torch.hann_window(N_FFT)


@cache
def _mel_bands() -> "tuple[tuple[slice, slice, torch.Tensor], ...]":
    """The mel filter bank (Slaney scale and norm, 0 to 8,000 Hz) in bands without the zeros around them.

    Returns:
        Filters, frequency bins, and the weights ``[bins, filters]`` float32 of each band.
    """
    import torch
    from librosa.filters import mel

    bank = mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=MEL_BINS, norm="slaney", dtype=np.float64).astype(np.float32)
    bands = []
    for first in range(0, MEL_BINS, _BAND_FILTERS):
        filters = slice(first, first + _BAND_FILTERS)
        used = np.flatnonzero(bank[filters].any(axis=0))
        bins = slice(int(used[0]), int(used[-1]) + 1)
        bands.append((filters, bins, torch.from_numpy(np.ascontiguousarray(bank[filters, bins].T))))
    return tuple(bands)


@contextmanager
def _one_thread() -> Iterator[None]:
    """A clip is too little work to share: threads would wait for one another."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def log_mel(wave: np.ndarray) -> np.ndarray:
    """The log-mel spectrogram, as ``WhisperFeatureExtractor(feature_size=128)`` computes it without padding.

    torch's FFT is what the extractor uses: numpy's in float32 differs from it by up to 6e-5 after the logarithm.

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
    with _one_thread(), torch.inference_mode():
        padded = torch.from_numpy(np.pad(np.asarray(wave, dtype=np.float32), N_FFT // 2, mode="reflect"))
        frames = padded.unfold(0, N_FFT, HOP_LENGTH)[: frame_count(len(wave))]  # a view
        levels = torch.empty(len(frames), MEL_BINS)
        for first in range(0, len(frames), _BLOCK_FRAMES):
            block = slice(first, first + _BLOCK_FRAMES)
            _mel_power(frames[block], out=levels[block])
        levels.clamp_(min=1e-10).log10_().clamp_(min=levels.max() - 8.0)
        return levels.add_(4.0).div_(4.0).numpy()


def _mel_power(frames: "torch.Tensor", out: "torch.Tensor") -> None:
    """Power in each mel band of ``frames`` ``[frames, 400]``, into ``out`` ``[frames, 128]``."""
    import torch

    squares = torch.view_as_real(torch.fft.rfft(frames * _window())).square_()  # [frames, 201, 2]
    power = squares[..., 0] + squares[..., 1]
    for filters, bins, weights in _mel_bands():
        torch.mm(power[:, bins], weights, out=out[:, filters])


def frame_count(samples: int) -> int:
    """Log-mel frames of a clip of ``samples`` samples at 16 kHz."""
    return samples // HOP_LENGTH


def resampled_frame_count(seconds: float) -> int:
    """Log-mel frames of a clip that lasts ``seconds`` at its own rate, once it is brought to 16 kHz."""
    # Resampling rounds up; the subtrahend keeps a whole number of samples from being rounded up for want of precision.
    return frame_count(math.ceil(seconds * SAMPLE_RATE - 1e-6))


def audio_token_count(frames: int) -> int:
    """How many audio tokens (25 a second) ``frames`` log-mel frames become in Qwen2.5-Omni's audio tower.

    A stride-2 convolution halves the frames, then a stride-2 average pool halves them again.
    """
    return max(0, ((frames - 1) // 2 + 1 - 2) // 2 + 1)

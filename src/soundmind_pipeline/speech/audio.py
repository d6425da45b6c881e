"""Reading and writing sound files, with errors that name the file and say what is wrong with it."""

import struct
from pathlib import Path
from typing import Final, Literal

import numpy as np
import soundfile

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path

SILENCE_PEAK: Final = 10 ** (-70 / 20)
"""Highest absolute amplitude of a clip that counts as silent: -70 dB below full scale."""

Defect = Literal["missing", "unreadable", "truncated", "empty", "not finite", "silent"]


class AudioError(SoundmindError):
    """A sound file that cannot be used.

    Args:
        path: The file.
        defect: What is wrong, in one of a few fixed words.
        detail: The particulars.
    """

    def __init__(self, path: Path | str, defect: Defect, detail: str) -> None:
        super().__init__(f"{path}: {defect}: {detail}")
        self.path = str(path)
        self.defect: Defect = defect
        self.detail = detail

    def __reduce__(self) -> tuple[type, tuple[str, Defect, str]]:  # type: ignore[override]
        return (type(self), (self.path, self.defect, self.detail))


def load_audio(path: Path | str, rate: int = 16_000) -> np.ndarray:
    """Read a sound file of any rate and channel count.

    Channels are averaged; another rate is converted with soxr's HQ filter.

    Args:
        path: WAV, FLAC, OGG or MP3.
        rate: Rate of the result, in Hz.

    Returns:
        ``[samples]`` float32 in [-1, 1].

    Raises:
        AudioError: The file is missing, unreadable, truncated, empty or silent, or holds NaN or infinity.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(path, "missing", "there is no such file")
    if path.stat().st_size == 0:
        raise AudioError(path, "empty", "0 bytes")
    try:
        with soundfile.SoundFile(path) as file:
            announced, source_rate = file.frames, file.samplerate
            wave = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(path, "unreadable", str(error)) from error
    _check(path, wave, announced)
    mono = wave.mean(axis=1)
    if source_rate == rate:
        return mono
    import librosa  # here: folders of clips are handled where nothing is resampled

    return librosa.resample(mono, orig_sr=source_rate, target_sr=rate, res_type="soxr_hq")


def _check(path: Path, wave: np.ndarray, announced: int) -> None:
    """Raise AudioError unless ``wave`` ([samples, channels]) is whole, finite and audible."""
    missing_bytes = _missing_wav_bytes(path)
    if missing_bytes or len(wave) < announced:
        lost = f"{missing_bytes} bytes" if missing_bytes else f"{announced - len(wave)} samples"
        raise AudioError(path, "truncated", f"{lost} fewer than its header announces")
    if len(wave) == 0:
        raise AudioError(path, "empty", "no samples")
    if not np.isfinite(wave).all():
        raise AudioError(path, "not finite", f"{int((~np.isfinite(wave)).sum())} samples are NaN or infinite")
    peak = float(np.abs(wave).max())
    if peak <= SILENCE_PEAK:
        raise AudioError(path, "silent", f"no sample exceeds {peak:.2g} of full scale")


def _missing_wav_bytes(path: Path) -> int:
    """By how many bytes a RIFF file is shorter than its header announces; 0 for other formats.

    libsndfile silently takes what is left of a truncated WAV file for the whole. Writers that stream announce 0 or
    nearly 4 GiB, because they do not know: these say nothing about truncation.
    """
    with open(path, "rb") as file:
        head = file.read(8)
    if len(head) < 8 or head[:4] != b"RIFF":
        return 0
    announced = struct.unpack("<I", head[4:])[0]
    if announced == 0 or announced >= 0x7FFF_F000:
        return 0
    return max(0, announced + 8 - path.stat().st_size)


def write_wav(path: Path | str, wave: np.ndarray, rate: int = 16_000) -> None:
    """Write a mono 16-bit WAV file, whole or not at all; louder than full scale is clipped.

    Args:
        path: The file.
        wave: ``[samples]`` float in [-1, 1].
        rate: Its rate, in Hz.

    Raises:
        AudioError: ``wave`` is empty or holds NaN or infinity.
    """
    if wave.ndim != 1 or len(wave) == 0:
        raise AudioError(path, "empty", f"refusing to write samples of shape {wave.shape}")
    if not np.isfinite(wave).all():
        raise AudioError(path, "not finite", "refusing to write NaN or infinity")
    samples = np.clip(np.rint(wave * 32768.0), -32768, 32767).astype(np.int16)
    with atomic_path(path) as temporary:
        soundfile.write(temporary, samples, rate, subtype="PCM_16")

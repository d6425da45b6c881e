"""Reading and writing sound files, with errors that name the file and say what is wrong with it."""

import io
import stat
import wave as wav
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import soundfile
import soxr

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path
from soundmind_pipeline.speech.containers import Container, missing_bytes, sniff

SILENCE_PEAK: Final = 10 ** (-70 / 20)
"""Highest absolute amplitude of a clip that counts as silent: -70 dB below full scale."""

LARGEST_PEAK: Final = 4.0
"""Floating-point samples beyond this (+12 dB of full scale) are on another scale, for instance that of integers."""

MAX_BYTES: Final = 1 << 30
"""Largest file that is read; ten minutes of speech take 29 MB."""

MAX_SAMPLES: Final = 1 << 27
"""Most samples, all channels together, that are decoded (an hour and a half at 24 kHz): a few bytes of a damaged or
hostile file can stand for years of silence."""

RATES: Final = (4_000, 384_000)
"""Lowest and highest plausible rate, in Hz."""

MAX_CHANNELS: Final = 32
"""Most channels of a plausible clip."""

Defect = Literal[
    "missing",
    "not a file",
    "outside",
    "no permission",
    "empty",
    "too large",
    "unreadable",
    "implausible header",
    "truncated",
    "not finite",
    "out of range",
    "silent",
    "mislabelled",
    "clipped",
    "no speech",
    "crashed",
    "wrong duration",
    "shared sound",
]
"""What can be wrong with a clip; docs/data.md says of each what it means."""

_WAV_HEADER_BYTES: Final = 44
_BLOCK_SAMPLES: Final = 1 << 24
_UNKNOWN_FRAMES: Final = 1 << 40
"""libsndfile announces nearly 2^63 frames for a stream that does not tell its length."""


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


@dataclass(frozen=True, slots=True)
class Recording:
    """A decoded sound file, whole and finite, but perhaps silent."""

    container: Container
    """By its content, whatever its name says."""
    rate: int
    """In Hz."""
    wave: np.ndarray
    """``[samples, channels]`` float32, full scale at 1."""
    peak: float
    """Largest absolute sample."""

    def mono(self) -> np.ndarray:
        """The mean of the channels, ``[samples]`` float32."""
        return self.wave[:, 0] if self.wave.shape[1] == 1 else self.wave.mean(axis=1)


def read_bytes(path: Path) -> bytes:
    """The content of a sound file.

    Raises:
        AudioError: It is missing, no regular file, not readable, empty or larger than :data:`MAX_BYTES`.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would wait for its writer for ever
            raise AudioError(path, "not a file", "a folder, pipe, socket or device stands in its place")
        if status.st_size > MAX_BYTES:
            raise AudioError(path, "too large", f"{status.st_size:,} bytes, {MAX_BYTES:,} are read at the most")
        data = path.read_bytes()
    except PermissionError as error:
        raise AudioError(path, "no permission", str(error.strerror)) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudioError(path, "missing", "there is no such file") from error
    except OSError as error:  # too long a name, a loop of links, a disk that fails
        raise AudioError(path, "unreadable", error.strerror or str(error)) from error
    if not data:
        raise AudioError(path, "empty", "0 bytes")
    return data


def decode(data: bytes, path: Path) -> Recording:
    """Decode the content of a sound file.

    Args:
        data: The whole file.
        path: Its name, for errors.

    Raises:
        AudioError: It is no sound, damaged, truncated or empty, has an implausible header, holds NaN or infinity, or
            is on a scale that is not full scale at 1.
    """
    container = sniff(data)
    if container is None:
        raise AudioError(path, "unreadable", f"no WAV, FLAC, OGG or MP3 by its content, which begins {data[:8]!r}")
    stream = io.BytesIO(data)
    try:
        with soundfile.SoundFile(stream) as file:
            _check_header(path, file)
            announced, rate = file.frames, file.samplerate
            wave = _read_blocks(path, file, announced)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError, MemoryError) as error:
        words = getattr(error, "error_string", "") or str(error) or type(error).__name__
        # Either the headers tell, or a FLAC decoder has run out of bytes.
        ended = missing_bytes(data, container) or (container == "flac" and stream.tell() >= len(data))
        raise AudioError(path, "truncated" if ended else "unreadable", words.strip()) from error
    _check_length(path, data, container, len(wave), announced)
    peak = float(max(wave.max(), -wave.min()))
    if not np.isfinite(peak):
        raise AudioError(path, "not finite", f"{int((~np.isfinite(wave)).sum())} samples are NaN or infinite")
    if peak > LARGEST_PEAK:
        raise AudioError(path, "out of range", f"a sample of {peak:.3g}, where full scale is 1")
    return Recording(container, rate, wave, peak)


def _check_header(path: Path, file: soundfile.SoundFile) -> None:
    if not RATES[0] <= file.samplerate <= RATES[1]:
        raise AudioError(path, "implausible header", f"a rate of {file.samplerate} Hz")
    if not 1 <= file.channels <= MAX_CHANNELS:
        raise AudioError(path, "implausible header", f"{file.channels} channels")


def _read_blocks(path: Path, file: soundfile.SoundFile, announced: int) -> np.ndarray:
    """All samples, ``[samples, channels]``; block by block, because a header can announce more than memory holds."""
    frames = _BLOCK_SAMPLES // file.channels
    if announced <= frames:
        return _read(file, -1)
    blocks: list[np.ndarray] = []
    while len(block := _read(file, frames)):
        blocks.append(block)
        if sum(map(len, blocks)) * file.channels > MAX_SAMPLES:
            raise AudioError(path, "too large", f"more than {MAX_SAMPLES:,} samples")
    return np.concatenate(blocks) if blocks else np.zeros((0, file.channels), dtype=np.float32)


def _read(file: soundfile.SoundFile, frames: int) -> np.ndarray:
    """The next ``frames`` samples, or all with -1, ``[samples, channels]`` float32."""
    if file.subtype == "PCM_16":  # libsndfile takes three times as long to give the same numbers
        return file.read(frames, dtype="int16", always_2d=True) * np.float32(1 / 32768)
    return file.read(frames, dtype="float32", always_2d=True)


def _check_length(path: Path, data: bytes, container: Container, samples: int, announced: int) -> None:
    if lost := missing_bytes(data, container):
        raise AudioError(path, "truncated", f"{lost} bytes fewer than its headers announce")
    if samples < announced < _UNKNOWN_FRAMES:
        raise AudioError(path, "truncated", f"{announced - samples} samples fewer than its header announces")
    if samples == 0:
        raise AudioError(path, "empty", "no samples")


def load_audio(path: Path | str, rate: int = 16_000) -> np.ndarray:
    """Read a sound file of any rate and channel count.

    Channels are averaged; another rate is converted with soxr's HQ filter.

    Args:
        path: WAV, FLAC, OGG (Vorbis or Opus) or MP3, by its content.
        rate: Rate of the result, in Hz.

    Returns:
        ``[samples]`` float32 in [-1, 1].

    Raises:
        AudioError: The file cannot be used; :data:`Defect` names what can be wrong.
    """
    path = Path(path)
    return audio_of(read_bytes(path), path, rate)


def audio_of(data: bytes, path: Path, rate: int = 16_000) -> np.ndarray:
    """The same of a sound file's content, ``data``; errors call it ``path``."""
    recording = decode(data, path)
    mono = recording.mono()
    loudest = float(max(mono.max(), -mono.min()))
    if loudest <= SILENCE_PEAK:
        raise AudioError(path, "silent", f"no sample exceeds {loudest:.2g} of full scale")
    if recording.rate == rate:
        return mono
    return _resample(mono, recording.rate, rate)


def _resample(mono: np.ndarray, source: int, target: int) -> np.ndarray:
    """``mono`` at another rate, of ceil(samples · target / source) samples, as librosa gives but quicker."""
    resampled = soxr.resample(mono, source, target, quality="HQ")
    missing = -(-len(mono) * target // source) - len(resampled)
    return np.pad(resampled, (0, missing)) if missing > 0 else resampled[: len(resampled) + missing]


def to_pcm16(path: Path | str, wave: np.ndarray) -> np.ndarray:
    """Float samples as 16-bit ones, of the same shape; louder than full scale is clipped.

    Args:
        path: Where they are going, for the error.
        wave: Float in [-1, 1].

    Raises:
        AudioError: ``wave`` holds NaN or infinity.
    """
    if not np.isfinite(wave).all():
        raise AudioError(path, "not finite", "refusing to write NaN or infinity")
    return np.clip(np.rint(wave * 32768.0), -32768, 32767).astype(np.int16)


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
    samples = to_pcm16(path, wave)
    with atomic_path(path) as temporary:
        soundfile.write(temporary, samples, rate, subtype="PCM_16")


def is_whole_wav(path: Path) -> bool:
    """Whether ``path`` is a WAV file with samples and as many bytes as its header announces; no sample is read.

    A file of :func:`write_wav` was renamed once it was whole, but a power failure can leave the name without the bytes.
    """
    try:
        with wav.open(str(path)) as header:
            announced = header.getnframes() * header.getsampwidth() * header.getnchannels()
        return announced > 0 and path.stat().st_size >= _WAV_HEADER_BYTES + announced
    except (OSError, EOFError, wav.Error):
        return False

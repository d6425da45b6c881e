"""Sound files of every container, and the ways in which they come damaged."""

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}
WavHeader = struct.Struct("<4sI4s4sIHHIIHH4sI")


def speech_like(seconds: float = 1.0, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """A tone that swells and fades like syllables, over faint noise."""
    times = np.arange(int(seconds * rate)) / rate
    syllables = np.abs(np.sin(2 * np.pi * 2 * times))
    noise = np.random.default_rng(seed).standard_normal(len(times))
    return (0.4 * syllables * np.sin(2 * np.pi * 220 * times) + 0.002 * noise).astype(np.float32)


def encoded(suffix: str = "wav", wave: np.ndarray | None = None, rate: int = RATE, subtype: str | None = None) -> bytes:
    """A whole sound file."""
    container, usual = FORMATS[suffix]
    stream = io.BytesIO()
    soundfile.write(
        stream, speech_like(rate=rate) if wave is None else wave, rate, format=container, subtype=subtype or usual
    )
    return stream.getvalue()


def wav_with(**fields: int) -> bytes:
    """A WAV file whose header says something else than it should."""
    names = (
        "riff", "size", "wave", "fmt", "fmt_size", "codec", "channels", "rate", "bytes_per_second", "block", "bits",
        "data", "data_size",
    )  # fmt: skip
    whole = encoded()
    header = dict(zip(names, WavHeader.unpack_from(whole), strict=True)) | fields
    return WavHeader.pack(*header.values()) + whole[WavHeader.size :]


def samples(wave: np.ndarray, subtype: str = "PCM_16") -> Callable[[Path], Path]:
    return content(lambda: encoded("wav", wave.astype(np.float32), subtype=subtype))


def content(make: Callable[[], bytes], name: str = "clip.wav") -> Callable[[Path], Path]:
    """Damage that is all in the bytes."""

    def damage(folder: Path) -> Path:
        (folder / name).write_bytes(make())
        return folder / name

    return damage


def cut(suffix: str, share: float) -> Callable[[Path], Path]:
    return content(lambda: encoded(suffix)[: int(share * len(encoded(suffix)))], f"clip.{suffix}")


def a_folder(folder: Path) -> Path:
    (folder / "clip.wav").mkdir()
    return folder / "clip.wav"


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "clip.wav")
    return folder / "clip.wav"


def link_to(target: str) -> Callable[[Path], Path]:
    def damage(folder: Path) -> Path:
        (folder.parent / "outside.wav").write_bytes(encoded())
        (folder / "clip.wav").symlink_to(target)
        return folder / "clip.wav"

    return damage


def dots(folder: Path) -> Path:
    (folder.parent / "outside.wav").write_bytes(encoded())
    return folder / ".." / "outside.wav"


def mp3_without_last_frames() -> bytes:
    """Cut exactly between two frames: only the tag in the first frame tells how many there were."""
    whole = encoded("mp3")
    frame = whole.rfind(whole[:2], 0, len(whole) // 2)
    return whole[:frame]


def ogg_without_last_page() -> bytes:
    whole = encoded("ogg", speech_like(5.0))
    return whole[: whole.rfind(b"OggS")]


def flac_that_announces(total: int) -> bytes:
    whole = bytearray(encoded("flac"))
    low = struct.unpack(">Q", whole[18:26])[0] >> 36 << 36 | total  # 36 bits of STREAMINFO
    whole[18:26] = struct.pack(">Q", low)
    return bytes(whole)


def flipped(suffix: str, place: float) -> Callable[[Path], Path]:
    def make() -> bytes:
        whole = bytearray(encoded(suffix, speech_like(20.0)))
        start = int(place * len(whole))
        whole[start : start + 64] = bytes(byte ^ 0xFF for byte in whole[start : start + 64])
        return bytes(whole)

    return content(make, f"clip.{suffix}")


def click() -> np.ndarray:
    wave = np.zeros(RATE, dtype=np.float32)
    wave[8000:8080] = 0.5
    return wave


def opposite_channels() -> bytes:
    return encoded("wav", np.stack([speech_like(), -speech_like()], axis=1))


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2880044\n"

DAMAGE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "clip.wav", "missing"),
    "a file where a folder must be": (lambda folder: content(encoded)(folder) / "clip.wav", "missing"),
    "dangling link": (link_to("nowhere.wav"), "missing"),
    "a folder in its place": (a_folder, "not a file"),
    "a pipe in its place": (a_pipe, "not a file"),
    "a device in its place": (link_to("/dev/zero"), "outside"),
    "link that leaves the folder": (link_to("../outside.wav"), "outside"),
    "path that leaves the folder": (dots, "outside"),
    "link to itself": (link_to("clip.wav"), "unreadable"),
    "name too long": (lambda folder: folder / f"{'x' * 300}.wav", "unreadable"),
    "name with a NUL character": (lambda folder: folder / "cl\0ip.wav", "unreadable"),
    "no bytes": (content(lambda: b""), "empty"),
    "no samples": (samples(np.zeros(0)), "empty"),
    "text": (content(lambda: b"this is not sound"), "unreadable"),
    "web page": (content(lambda: b"<!DOCTYPE html><html>404 Not Found</html>"), "unreadable"),
    "Git LFS pointer": (content(lambda: LFS_POINTER), "unreadable"),
    "random bytes": (content(lambda: np.random.default_rng(0).bytes(5000)), "unreadable"),
    "another container": (content(lambda: b"FORM\0\0\1\0AIFFCOMM" + bytes(300)), "unreadable"),
    "half a WAV header": (cut("wav", 0.0006), "truncated"),
    "half a FLAC header": (content(lambda: encoded("flac")[:30], "clip.flac"), "truncated"),
    "half an Ogg header": (content(lambda: encoded("ogg")[:60], "clip.ogg"), "truncated"),
    "truncated WAV": (cut("wav", 0.5), "truncated"),
    "WAV without its last byte": (content(lambda: encoded()[:-1]), "truncated"),
    "truncated FLAC": (cut("flac", 0.5), "truncated"),
    "truncated MP3": (cut("mp3", 0.5), "truncated"),
    "truncated Vorbis": (cut("ogg", 0.5), "truncated"),
    "truncated Opus": (cut("opus", 0.5), "truncated"),
    "MP3 cut between frames": (content(mp3_without_last_frames, "clip.mp3"), "truncated"),
    "Ogg cut between pages": (content(ogg_without_last_page, "clip.ogg"), "truncated"),
    "FLAC that announces more samples": (content(lambda: flac_that_announces(20_000), "clip.flac"), "truncated"),
    "FLAC that announces a month": (content(lambda: flac_that_announces(2**36 - 1), "clip.flac"), "truncated"),
    "damaged inside FLAC": (flipped("flac", 0.5), "unreadable"),
    "WAV that announces more bytes": (content(lambda: wav_with(data_size=90_000)), "truncated"),
    "rate of zero": (content(lambda: wav_with(rate=0)), "unreadable"),
    "rate of 1 Hz": (content(lambda: wav_with(rate=1)), "implausible header"),
    "rate of 2 GHz": (content(lambda: wav_with(rate=2_000_000_000)), "implausible header"),
    "no channels": (content(lambda: wav_with(channels=0)), "unreadable"),
    "65,535 channels": (content(lambda: wav_with(channels=65_535)), "unreadable"),
    "100 channels": (content(lambda: wav_with(channels=100, block=200)), "implausible header"),
    "unknown codec": (content(lambda: wav_with(codec=0x1234)), "unreadable"),
    "samples of 77 bits": (content(lambda: wav_with(bits=77)), "unreadable"),
    "no data chunk": (content(lambda: encoded().replace(b"data", b"junk", 1)), "unreadable"),
    "NaN": (samples(np.where(np.arange(RATE) == 5, np.nan, speech_like()), "FLOAT"), "not finite"),
    "infinity": (samples(np.where(np.arange(RATE) == 5, -np.inf, speech_like()), "FLOAT"), "not finite"),
    "on the scale of integers": (samples(32_768 * speech_like(), "FLOAT"), "out of range"),
    "digital silence": (samples(np.zeros(RATE)), "silent"),
    "almost silence": (samples(1e-4 * speech_like()), "silent"),
    "constant offset only": (samples(np.full(RATE, 0.5)), "silent"),
    "channels that cancel each other out": (content(opposite_channels), "silent"),
    "a click only": (samples(click()), "no speech"),
    "clipped": (samples(8 * speech_like()), "clipped"),
    "clipped below": (samples(np.where(speech_like() < -0.1, -1.0, speech_like())), "clipped"),
    "MP3 called WAV": (content(lambda: encoded("mp3"), "clip.wav"), "mislabelled"),
    "WAV called MP3": (content(encoded, "clip.mp3"), "mislabelled"),
    "FLAC called WAV": (content(lambda: encoded("flac"), "clip.wav"), "mislabelled"),
    "WAV called text": (content(encoded, "clip.txt"), "mislabelled"),
    "WAV without a suffix": (content(encoded, "clip"), "mislabelled"),
}
"""Kind of damage → what does it (given an empty folder, makes a clip there and returns its path), and the defect."""

"""What a sound file is by its first bytes, and whether it holds as many bytes as it announces.

libsndfile takes what is left of a truncated WAV or Ogg file for the whole, and a name says nothing about the content;
so both are looked up in the bytes themselves.
"""

import struct
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final, Literal

Container = Literal["wav", "flac", "ogg", "mp3"]

CONTAINERS: Final[dict[str, Container]] = {
    ".wav": "wav",
    ".wave": "wav",
    ".flac": "flac",
    ".ogg": "ogg",
    ".oga": "ogg",
    ".opus": "ogg",
    ".mp3": "mp3",
}
"""Containers by the extensions that may name them, in lower case."""

_UNKNOWN_LENGTH: Final = 0x7FFF_F000
"""Writers that stream announce 0 or nearly 2 or 4 GiB, because they do not know: from here on it means nothing."""

_MP3_BITRATES: Final = {  # kbit/s by index, for (MPEG-1, layer)
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Sample rates by version bits: 3 is MPEG-1, 2 is MPEG-2, 0 is MPEG-2.5."""


def sniff(data: bytes) -> Container | None:
    """The container of ``data`` by its content; None if it is none of :data:`CONTAINERS`."""
    if data[:4] in (b"RIFF", b"RIFX", b"RF64") and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    start = _after_id3(data)
    if data[start : start + 4] == b"fLaC":
        return "flac"
    # Two bytes of an MP3 frame's header are easily met by chance: a second frame must follow the first, or the end.
    first = _mp3_frame_length(data, start)
    if first and (start + first >= len(data) or _mp3_frame_length(data, start + first)):
        return "mp3"
    return None


def named(path: PurePath | str) -> Container | None:
    """The container that a file's name claims, if any."""
    return CONTAINERS.get(PurePath(path).suffix.lower())


def missing_bytes(data: bytes, container: Container) -> int:
    """By how many bytes ``data`` is shorter than its own headers announce; 0 where they do not tell.

    FLAC announces samples, not bytes: there a decoder finds what is missing. So it is for a file that was cut exactly
    between two MP3 frames.
    """
    if container == "wav":
        return _missing_wav_bytes(data)
    if container == "ogg":
        return _missing_ogg_bytes(data)
    return _missing_mp3_bytes(data) if container == "mp3" else 0


def _missing_wav_bytes(data: bytes) -> int:
    order = ">I" if data[:4] == b"RIFX" else "<I"
    announced = [8 + size for size in struct.unpack(order, data[4:8])[:1] if 0 < size < _UNKNOWN_LENGTH]
    offset = 12
    while offset + 8 <= len(data):
        (size,) = struct.unpack_from(order, data, offset + 4)
        if data[offset : offset + 4] == b"data":
            if size < _UNKNOWN_LENGTH:
                announced.append(offset + 8 + size)
            break
        offset += 8 + size + size % 2  # chunks are padded to even lengths
    return max(0, *(end - len(data) for end in announced)) if announced else 0


def _missing_ogg_bytes(data: bytes) -> int:
    """What the last page lacks; 1 if it is whole but not the last of its stream."""
    last = data.rfind(b"OggS")
    if len(data) < last + 27:
        return last + 27 - len(data)
    segments = data[last + 26]
    table = data[last + 27 : last + 27 + segments]
    if len(table) < segments:
        return segments - len(table)
    short = last + 27 + segments + sum(table) - len(data)
    ends_stream = data[last + 5] & 4
    return short if short > 0 else int(not ends_stream)


def _missing_mp3_bytes(data: bytes) -> int:
    return max(0, _last(_mp3_frame_ends(data)) - len(data))


def _last(ends: Iterator[int]) -> int:
    end = 0
    for end in ends:  # noqa: B007 - only the last is asked for
        pass
    return end


def _mp3_frame_ends(data: bytes) -> Iterator[int]:
    offset = _after_id3(data)
    while length := _mp3_frame_length(data, offset):
        offset += length
        yield offset


def _after_id3(data: bytes) -> int:
    """Where the content begins: behind an ID3v2 tag, if there is one."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:  # seven bits a byte
        size = size << 7 | (byte & 0x7F)
    return 10 + size + (10 if data[5] & 0x10 else 0)


def _mp3_frame_length(data: bytes, offset: int) -> int:
    """Bytes of the MPEG audio frame whose header stands at ``offset``; 0 if none does, or it is of free format."""
    if offset + 4 > len(data) or data[offset] != 0xFF or data[offset + 1] & 0xE0 != 0xE0:
        return 0
    second, third = data[offset + 1], data[offset + 2]
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    bitrate, rate = third >> 4, third >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return 0
    bits = _MP3_BITRATES[version == 3, layer][bitrate] * 1000
    hertz, padding = _MP3_RATES[version][rate], third >> 1 & 1
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits // hertz + padding

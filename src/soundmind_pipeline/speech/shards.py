"""Log-mels of many clips in a few safetensors files.

A folder holds ``shard-00000.safetensors`` … and ``shards.json``. Each shard has one tensor ``log_mel``
``[frames of all its clips, 128]`` float32, and beside it stands its completion mark ``shard-00000.json``, written once
the shard is whole: what it was made from, its checksum and its clips. ``shards.json``, written last, tells which rows
of which shard are whose and how large each shard is, so that a lost or shortened shard is noticed when the folder is
opened.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError, safe_open

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path, sha256_of
from soundmind_pipeline.speech.log_mel import MEL_BINS
from soundmind_pipeline.speech.log_mels import LogMels

INDEX_NAME: Final = "shards.json"
TENSOR_NAME: Final = "log_mel"
FORMAT_VERSION: Final = 1


@dataclass(frozen=True)
class ClipPlace:
    """Where a clip's log-mel stands.

    Attributes:
        shard: File name of the shard.
        offset: Its first row in the shard.
        frames: Its number of rows.
    """

    shard: str
    offset: int
    frames: int


@dataclass(frozen=True)
class ShardMark:
    """What is known of a shard that is whole.

    Attributes:
        name: The shard's name, without suffix.
        fingerprint: Identifies what it was made from and how.
        bytes: Size of its file.
        sha256: Checksum of its file.
        clips: First row and number of rows of each uid, in order.
    """

    name: str
    fingerprint: str
    bytes: int
    sha256: str
    clips: Mapping[str, tuple[int, int]]


def shard_file(folder: Path, name: str) -> Path:
    """The file of shard ``name``."""
    return folder / f"{name}.safetensors"


def mark_file(folder: Path, name: str) -> Path:
    """The completion mark of shard ``name``."""
    return folder / f"{name}.json"


def write_shard(
    folder: Path, name: str, fingerprint: str, frames: int, clips: Iterable[tuple[str, np.ndarray]]
) -> ShardMark:
    """Write one shard, whole or not at all, then its completion mark. One clip at a time is held in memory.

    Args:
        folder: Where the shards stand.
        name: The shard's name, without suffix.
        fingerprint: Identifies what it is made from and how.
        frames: Frames of all its clips together.
        clips: ``(uid, log_mel [frames, 128] float32)`` pairs.

    Raises:
        SoundmindError: A log-mel has another shape or type, they have other than ``frames`` frames together, or a uid
            comes twice.
    """
    rows: dict[str, tuple[int, int]] = {}
    offset = 0
    with atomic_path(shard_file(folder, name)) as temporary:
        with open(temporary, "wb") as file:
            header = _header(frames)
            digest = hashlib.sha256(header)
            file.write(header)
            for uid, mel in clips:
                _check_clip(uid, mel, rows)
                rows[uid] = (offset, len(mel))
                offset += len(mel)
                content = np.ascontiguousarray(mel, dtype="<f4").data
                digest.update(content)
                file.write(content)
        if offset != frames:
            raise SoundmindError(f"{name}: {offset} log-mel frames came, {frames} were announced.")
        mark = ShardMark(name, fingerprint, temporary.stat().st_size, digest.hexdigest(), rows)
    with atomic_path(mark_file(folder, name)) as temporary:
        temporary.write_text(json.dumps(asdict(mark)))
    return mark


def _header(frames: int) -> bytes:
    """The head of a safetensors file with one tensor ``[frames, 128]``: its library writes whole tensors only."""
    size = frames * MEL_BINS * 4
    tensor = {"dtype": "F32", "shape": [frames, MEL_BINS], "data_offsets": [0, size]}
    text = json.dumps({TENSOR_NAME: tensor}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # aligns the tensor
    return struct.pack("<Q", len(text)) + text


def _check_clip(uid: str, mel: np.ndarray, seen: Mapping[str, Any]) -> None:
    if mel.ndim != 2 or mel.shape[1] != MEL_BINS or len(mel) == 0 or mel.dtype != np.float32:
        raise SoundmindError(f"{uid}: a log-mel of shape {mel.shape} and type {mel.dtype}; need [frames, 128] float32.")
    if uid in seen:
        raise SoundmindError(f"{uid}: two clips have this uid.")


def whole_shard(folder: Path, name: str, fingerprint: str) -> ShardMark | None:
    """The mark of shard ``name`` if it is whole, undamaged and made from what ``fingerprint`` says; else None."""
    file = shard_file(folder, name)
    try:
        mark = ShardMark(**json.loads(mark_file(folder, name).read_text()))
        if mark.fingerprint != fingerprint or file.stat().st_size != mark.bytes or sha256_of(file) != mark.sha256:
            return None
    except (OSError, ValueError, TypeError):
        return None
    return mark


def write_index(folder: Path, marks: Iterable[ShardMark]) -> None:
    """Write the index of the shards that ``marks`` are of, in their order: from here on the folder can be opened.

    Raises:
        SoundmindError: Two shards hold the same uid.
    """
    sizes: dict[str, int] = {}
    places: dict[str, dict[str, Any]] = {}
    for mark in marks:
        name = shard_file(folder, mark.name).name
        sizes[name] = mark.bytes
        for uid, (offset, frames) in mark.clips.items():
            if uid in places:
                raise SoundmindError(f"{uid}: two clips have this uid.")
            places[uid] = asdict(ClipPlace(name, offset, frames))
    with atomic_path(folder / INDEX_NAME) as temporary:
        temporary.write_text(json.dumps({"version": FORMAT_VERSION, "bytes": sizes, "clips": places}))


class LogMelStore(LogMels):
    """Log-mels by uid, each read from its shard when asked for.

    Opening reads the index only; shards are memory-mapped. Pickles as its folder, so that it can be handed to a
    worker process.

    Args:
        folder: A folder whose index :func:`write_index` wrote.

    Raises:
        SoundmindError: The folder, its index or a shard is missing, damaged or shorter than it was written.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        index = self._read_index()
        self.places = {uid: ClipPlace(**place) for uid, place in index["clips"].items()}
        self._slices: dict[str, Any] = {}
        for name, size in index["bytes"].items():
            self._check_shard(self.folder / name, size)

    def _read_index(self) -> dict[str, Any]:
        path = self.folder / INDEX_NAME
        if not path.is_file():
            raise SoundmindError(
                f"{path} does not exist: there are no log-mels.", hint="Run `kedro run --pipeline=features`."
            )
        try:
            index = json.loads(path.read_text())
            if index["version"] != FORMAT_VERSION:
                raise SoundmindError(f"{path} has format version {index['version']}; this code reads {FORMAT_VERSION}.")
            return index
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(path, str(error)) from error

    @staticmethod
    def _check_shard(path: Path, size: int) -> None:
        if not path.is_file():
            raise _damaged(path, "it is missing")
        if path.stat().st_size != size:
            raise _damaged(path, f"it has {path.stat().st_size} bytes, {size} were written")

    def __getitem__(self, uid: str) -> np.ndarray:
        """The log-mel of ``uid``, ``[frames, 128]`` float32.

        Raises:
            KeyError: There is no such clip.
            SoundmindError: Its shard cannot be read.
        """
        place = self.places[uid]
        try:
            return self._shard(place.shard)[place.offset : place.offset + place.frames]
        except (SafetensorError, OSError) as error:
            raise _damaged(self.folder / place.shard, str(error)) from error

    def _shard(self, name: str) -> Any:
        if name not in self._slices:
            self._slices[name] = safe_open(self.folder / name, framework="numpy").get_slice(TENSOR_NAME)
        return self._slices[name]

    def frames(self, uid: str) -> int:
        """Number of frames of ``uid``."""
        return self.places[uid].frames

    def __contains__(self, uid: object) -> bool:
        return uid in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __reduce__(self) -> tuple[type["LogMelStore"], tuple[Path]]:
        return (LogMelStore, (self.folder,))


def _damaged(path: Path, detail: str) -> SoundmindError:
    return SoundmindError(f"{path} is damaged: {detail}.", hint="Build it anew: `kedro run --pipeline=features`.")

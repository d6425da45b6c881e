"""Log-mels of many clips in a few safetensors files.

A folder holds ``shard-00000.safetensors`` … and ``shards.json``. Each shard has one tensor ``log_mel``
``[frames of all its clips, 128]`` float32; ``shards.json``, written last, tells which rows are whose and how large
each shard is, so that a lost or shortened shard is noticed when the folder is opened.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_directory
from soundmind_pipeline.speech.log_mel import MEL_BINS

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


def write_log_mel_shards(
    folder: Path | str, clips: Iterable[tuple[str, np.ndarray]], shard_bytes: int = 128 << 20
) -> int:
    """Write log-mels as shards; the folder appears whole or not at all.

    One shard at a time is held in memory.

    Args:
        folder: Where the shards go; what stands there is replaced.
        clips: ``(uid, log_mel [frames, 128] float32)`` pairs.
        shard_bytes: A shard is closed once it holds this many bytes.

    Returns:
        Bytes written.

    Raises:
        SoundmindError: A log-mel has another shape or type, or a uid comes twice.
    """
    places: dict[str, ClipPlace] = {}
    sizes: dict[str, int] = {}
    with atomic_directory(folder) as temporary:
        pending: list[np.ndarray] = []
        offset = 0

        def close_shard() -> None:
            nonlocal offset
            path = temporary / f"shard-{len(sizes):05d}.safetensors"
            save_file({TENSOR_NAME: np.concatenate(pending)}, path)
            sizes[path.name] = path.stat().st_size
            pending.clear()
            offset = 0

        for uid, mel in clips:
            _check_clip(uid, mel, places)
            places[uid] = ClipPlace(f"shard-{len(sizes):05d}.safetensors", offset, len(mel))
            pending.append(mel)
            offset += len(mel)
            if offset * MEL_BINS * 4 >= shard_bytes:
                close_shard()
        if pending:
            close_shard()
        index = {
            "version": FORMAT_VERSION,
            "bytes": sizes,
            "clips": {uid: asdict(place) for uid, place in places.items()},
        }
        (temporary / INDEX_NAME).write_text(json.dumps(index))
    return sum(sizes.values())


def _check_clip(uid: str, mel: np.ndarray, seen: Mapping[str, ClipPlace]) -> None:
    if mel.ndim != 2 or mel.shape[1] != MEL_BINS or len(mel) == 0 or mel.dtype != np.float32:
        raise SoundmindError(f"{uid}: a log-mel of shape {mel.shape} and type {mel.dtype}; need [frames, 128] float32.")
    if uid in seen:
        raise SoundmindError(f"{uid}: two clips have this uid.")


class LogMelStore(Mapping[str, np.ndarray]):
    """Log-mels by uid, each read from its shard when asked for.

    Opening reads the index only; shards are memory-mapped. Pickles as its folder, so that it can be handed to a
    worker process.

    Args:
        folder: A folder that :func:`write_log_mel_shards` wrote.

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

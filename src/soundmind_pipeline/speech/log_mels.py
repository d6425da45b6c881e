"""Log-mels by uid: what training and evaluation read, whether they are kept in files or computed when asked for."""

import json
import os
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_directory
from soundmind_pipeline.speech.audio import load_audio
from soundmind_pipeline.speech.log_mel import log_mel

CLIPS_NAME: Final = "clips.json"
FORMAT_VERSION: Final = 1
CACHED_CLIPS: Final = 32
"""Clips that :class:`ComputedLogMels` remembers; one of a minute takes 3 MB."""


class LogMels(Mapping[str, np.ndarray]):
    """Maps a uid (``split/id``) to the log-mel of its question, ``[frames, 128]`` float32, the caller's to change."""

    @abstractmethod
    def frames(self, uid: str) -> int:
        """Number of frames of ``uid``, without reading them.

        Raises:
            KeyError: There is no such clip.
        """


@dataclass(frozen=True, slots=True)
class SpokenClip:
    """A sound file and what is known of it before it is read."""

    file: str
    """Its path."""
    sha256: str
    """Its checksum; a changed clip changes what is written of it, and so the stages that depend on it."""
    frames: int
    """Its log-mel frames."""

    def log_mel(self) -> np.ndarray:
        """Read the file and compute its log-mel, ``[frames, 128]`` float32.

        Raises:
            AudioError: The file is missing or cannot be used.
            SoundmindError: It has another length than is known of it.
        """
        mel = log_mel(load_audio(self.file))
        if len(mel) != self.frames:
            raise SoundmindError(
                f"{self.file} gives {len(mel)} log-mel frames; the manifest's duration says {self.frames}.",
                hint="The file has changed: run `kedro run --pipeline=ingestion`, then the features stage.",
            )
        return mel


class ComputedLogMels(LogMels):
    """Log-mels computed from the sound files when asked for: no disk, the same numbers as stored ones, bit for bit.

    The last :data:`CACHED_CLIPS` are remembered. It pickles without them, so that it can be handed to a worker process.

    Args:
        clips: The sound files by uid.
    """

    def __init__(self, clips: Mapping[str, SpokenClip]) -> None:
        self.clips = dict(clips)
        self._cache: OrderedDict[str, np.ndarray] = OrderedDict()

    def __getitem__(self, uid: str) -> np.ndarray:
        """The log-mel of ``uid``, ``[frames, 128]`` float32.

        Raises:
            KeyError: There is no such clip.
            AudioError: Its file is missing or cannot be used.
            SoundmindError: Its file has another length than when the features were made.
        """
        if uid not in self._cache:
            self._cache[uid] = self.clips[uid].log_mel()
            if len(self._cache) > CACHED_CLIPS:
                self._cache.popitem(last=False)
        self._cache.move_to_end(uid)
        return self._cache[uid].copy()

    def frames(self, uid: str) -> int:
        """Number of frames of ``uid``."""
        return self.clips[uid].frames

    def __contains__(self, uid: object) -> bool:
        return uid in self.clips

    def __iter__(self) -> Iterator[str]:
        return iter(self.clips)

    def __len__(self) -> int:
        return len(self.clips)

    def __reduce__(self) -> tuple[type["ComputedLogMels"], tuple[dict[str, SpokenClip]]]:
        return (ComputedLogMels, (self.clips,))


def write_clips(folder: Path | str, log_mels: ComputedLogMels) -> None:
    """Write where the clips stand, relative to ``folder``, which appears whole or not at all."""
    # Without following links: `data` may be one, and a project that moves takes its clips along.
    clips = {
        uid: asdict(clip) | {"file": Path(os.path.relpath(clip.file, folder)).as_posix()}
        for uid, clip in log_mels.clips.items()
    }
    with atomic_directory(folder) as temporary:
        (temporary / CLIPS_NAME).write_text(json.dumps({"version": FORMAT_VERSION, "clips": clips}))


def read_clips(folder: Path | str) -> ComputedLogMels:
    """Read what :func:`write_clips` wrote.

    Raises:
        SoundmindError: The file is damaged.
    """
    base = os.path.abspath(folder)  # noqa: PTH100 - resolve() would follow links
    path = Path(folder) / CLIPS_NAME
    try:
        document: dict[str, Any] = json.loads(path.read_text())
        if document["version"] != FORMAT_VERSION:
            raise SoundmindError(f"{path} has format version {document['version']}; this code reads {FORMAT_VERSION}.")
        clips = {uid: SpokenClip(**clip) for uid, clip in document["clips"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SoundmindError(
            f"{path} is damaged: {error}.", hint="Build it anew: `kedro run --pipeline=features`."
        ) from error
    return ComputedLogMels(
        {
            uid: SpokenClip(os.path.normpath(f"{base}/{clip.file}"), clip.sha256, clip.frames)
            for uid, clip in clips.items()
        }
    )

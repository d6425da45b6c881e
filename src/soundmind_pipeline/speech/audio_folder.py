"""A folder of clips, read one at a time."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_directory
from soundmind_pipeline.speech.audio import load_audio, write_wav


class AudioFolder(Mapping[str, np.ndarray]):
    """Maps a uid (``split/id``) to its wave, ``[samples]`` float32 mono 16 kHz, read from ``<folder>/<uid>.wav``.

    Args:
        folder: Where the clips stand.
        recorded_as: The folder's name in tables: its path relative to the project, with forward slashes.
    """

    def __init__(self, folder: Path | str, recorded_as: str | None = None) -> None:
        self.folder = Path(folder)
        self._recorded_as = recorded_as or self.folder.as_posix()

    def path(self, uid: str) -> Path:
        """The file of one clip, whether or not it exists."""
        return clip_path(self.folder, uid)

    def recorded_path(self, uid: str) -> str:
        """The file of one clip as tables record it."""
        return f"{self._recorded_as}/{uid}.wav"

    def __getitem__(self, uid: str) -> np.ndarray:
        """The wave of ``uid``.

        Raises:
            AudioError: The file is missing or cannot be used.
        """
        return load_audio(self.path(uid))

    def __contains__(self, uid: object) -> bool:
        return isinstance(uid, str) and self.path(uid).is_file()

    def __iter__(self) -> Iterator[str]:
        for file in sorted(self.folder.rglob("*.wav")):
            yield file.relative_to(self.folder).with_suffix("").as_posix()

    def __len__(self) -> int:
        return sum(1 for _ in self.folder.rglob("*.wav"))


def clip_path(folder: Path, uid: str) -> Path:
    """The file of clip ``uid`` in ``folder``.

    Raises:
        SoundmindError: ``uid`` would lead out of the folder.
    """
    parts = uid.split("/")
    if uid.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise SoundmindError(f"{uid!r} is not a clip's uid: it must look like train/0001.")
    return folder / f"{uid}.wav"


def write_audio_folder(folder: Path | str, clips: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write ``(uid, wave [samples] 16 kHz)`` pairs as 16-bit WAV files; the folder appears whole or not at all."""
    with atomic_directory(folder) as temporary:
        for uid, wave in clips:
            write_wav(clip_path(temporary, uid), wave)

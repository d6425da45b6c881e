"""A folder of clips, read one at a time: clips of its own, and links to clips that stay where they are."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_directory, remove_leftovers
from soundmind_pipeline.speech.audio import load_audio, write_wav

LINKS_NAME: Final = "links.json"
"""Maps the uid of each linked clip to its file, relative to the project, with forward slashes."""


@dataclass(frozen=True, slots=True)
class MadeClip:
    """A whole clip that was made for a folder and waits in a work folder."""

    file: Path
    """A 16-bit mono WAV file at 16 kHz."""


Clip = np.ndarray | MadeClip | Path
"""A wave ``[samples]`` at 16 kHz, a file that was made for the folder, or one that exists and is to be linked."""


class AudioFolder(Mapping[str, np.ndarray]):
    """Maps a uid (``split/id``) to its wave, ``[samples]`` float32 mono 16 kHz.

    A clip is read from ``<folder>/<uid>.wav``, or from where ``links.json`` says: published audio is used in place,
    in any format that :func:`~soundmind_pipeline.speech.audio.load_audio` reads.

    Args:
        folder: Where the clips stand.
        recorded_as: The folder's name in tables: its path relative to the project, with forward slashes.
        project: What linked files are relative to; the current folder if not given.

    Raises:
        SoundmindError: ``links.json`` is damaged, or a link in it would lead out of the project.
    """

    def __init__(self, folder: Path | str, recorded_as: str | None = None, project: Path | None = None) -> None:
        self.folder = Path(folder)
        self._recorded_as = recorded_as or self.folder.as_posix()
        self._project = project or Path()
        self._links = _read_links(self.folder / LINKS_NAME)

    def path(self, uid: str) -> Path:
        """The file of one clip, whether or not it exists."""
        return self._project / self._links[uid] if uid in self._links else clip_path(self.folder, uid)

    def recorded_path(self, uid: str) -> str:
        """The file of one clip as tables record it."""
        return self._links.get(uid) or f"{self._recorded_as}/{uid}.wav"

    def is_linked(self, uid: str) -> bool:
        """Whether the clip stands elsewhere, where nobody may change it."""
        return uid in self._links

    def __getitem__(self, uid: str) -> np.ndarray:
        """The wave of ``uid``.

        Raises:
            AudioError: The file is missing or cannot be used.
        """
        return load_audio(self.path(uid))

    def __contains__(self, uid: object) -> bool:
        return isinstance(uid, str) and self.path(uid).is_file()

    def __iter__(self) -> Iterator[str]:
        own = {file.relative_to(self.folder).with_suffix("").as_posix() for file in self.folder.rglob("*.wav")}
        yield from sorted(own | set(self._links))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _read_links(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        links = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(links, dict):
        raise _damaged(path, "it holds no object")
    for uid, file in links.items():
        if not isinstance(file, str) or PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
            raise _damaged(path, f"{uid!r} leads to {file!r}, which is no path inside the project")
    return links


def _damaged(path: Path, detail: str) -> SoundmindError:
    return SoundmindError(f"{path} is damaged: {detail}.", hint="Build it anew: `kedro run --pipeline=ingestion`.")


def clip_path(folder: Path, uid: str) -> Path:
    """The file of clip ``uid`` in ``folder``.

    Raises:
        SoundmindError: ``uid`` would lead out of the folder.
    """
    parts = uid.split("/")
    if uid.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise SoundmindError(f"{uid!r} is not a clip's uid: it must look like train/0001.")
    return folder / f"{uid}.wav"


def write_audio_folder(
    folder: Path | str,
    clips: Iterable[tuple[str, Clip]],
    project: Path | None = None,
    described_by: Path | None = None,
) -> None:
    """Write clips as 16-bit WAV files and record where the others stand; the folder appears whole or not at all.

    Args:
        folder: What stands there is replaced, once all clips are written; what killed runs left beside it goes.
        clips: ``(uid, wave)``; ``(uid, MadeClip)`` for a file that is put in place, without a second copy where the
            disk can do so; or ``(uid, file)`` for a clip that is linked, its path absolute or relative to the project.
        project: What links are recorded relative to; the current folder if not given.
        described_by: A table of the clips that stood in ``folder``; removed just before they go.

    Raises:
        SoundmindError: A linked file stands outside the project.
    """
    folder, project = Path(folder), (project or Path()).absolute()
    links: dict[str, str] = {}
    remove_leftovers(folder)
    with atomic_directory(folder) as temporary:
        for uid, clip in clips:
            if isinstance(clip, Path):
                links[uid] = _link(clip, project)
            elif isinstance(clip, MadeClip):
                _put(clip.file, clip_path(temporary, uid))
            else:
                write_wav(clip_path(temporary, uid), clip)
        if links:
            (temporary / LINKS_NAME).write_text(json.dumps(links, ensure_ascii=False, indent=0), encoding="utf-8")
        if described_by:
            described_by.unlink(missing_ok=True)


def _put(file: Path, target: Path) -> None:
    """Give ``file`` the name ``target`` too: as a hard link, or as a copy where there are none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def _link(file: Path, project: Path) -> str:
    # By its name, not where symbolic links lead: a folder of the project may stand on a larger disk.
    path = Path(os.path.normpath(project / file))
    if not path.is_relative_to(project):
        raise SoundmindError(
            f"{file} stands outside the project {project}, so no table could name it.",
            hint="Link its folder into the project: `ln -s FOLDER data/01_raw/soundmind`.",
        )
    return path.relative_to(project).as_posix()

"""The published folder layout: where a split's annotations stand, and the sound files of each sample."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from soundmind_pipeline.errors import SoundmindError

METADATA_FILE: Final = "metadata.jsonl"
ANNOTATION_FILE: Final = "annotation.json"
AUDIO_SUFFIXES: Final = (".wav", ".flac", ".mp3", ".ogg")


@dataclass(frozen=True, slots=True)
class Clips:
    """The sound files of one sample that exist."""

    question: Path | None
    answer: Path | None


@dataclass(frozen=True, slots=True)
class SampleFolder:
    """The folder of one sample."""

    path: Path
    files: frozenset[str]
    """Names of what it holds."""

    @property
    def annotation(self) -> Path | None:
        """Its ``annotation.json``, if there is one."""
        return self.path / ANNOTATION_FILE if ANNOTATION_FILE in self.files else None

    def clips(self, label: int) -> tuple[Clips, list[str]]:
        """Its sound files ``question.*`` and ``answer_{label}.*``, and what is wrong with their names."""
        sounds = sorted(name for name in self.files if PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES)
        questions = [name for name in sounds if PurePosixPath(name).stem == "question"]
        answers = [name for name in sounds if PurePosixPath(name).stem.startswith("answer")]
        wrong = [name for name in answers if PurePosixPath(name).stem != f"answer_{label}"]
        defects = [f"{name}: contradicts the label {label}" for name in wrong]
        crowded = [names for names in (questions, [] if wrong else answers) if len(names) > 1]
        defects += [f"{' and '.join(names)}: one sound file too many" for names in crowded]
        first = [self.path / names[0] if names else None for names in (questions, answers)]
        return Clips(*first), defects


@dataclass(frozen=True, slots=True)
class SplitLayout:
    """Where the samples of one split stand."""

    split: str
    table: Path | None
    """``<split>/metadata.jsonl`` or ``<split>.jsonl``; None if the ``annotation.json`` files are all there is."""
    folders: Mapping[str, SampleFolder]
    """By name, sorted; empty if there is no sound."""

    @property
    def is_metadata(self) -> bool:
        """Whether the table has the keys of ``metadata.jsonl``."""
        return self.table is not None and self.table.name == METADATA_FILE


def find_splits(folder: Path, splits: Iterable[str]) -> list[SplitLayout]:
    """The layout of each split that the folder holds.

    A split is ``<split>/metadata.jsonl`` with or without sample folders, or else ``<split>.jsonl`` with or without
    them, or else sample folders alone.

    Raises:
        SoundmindError: If it holds none of the splits, or cannot be read.
    """
    splits = list(splits)
    try:
        found = [layout for split in splits if (layout := _find_split(folder, split)) is not None]
    except OSError as error:
        raise SoundmindError(
            f"{error.filename or folder}: {error.strerror}", "Check the folder and its rights."
        ) from None
    if not found:
        raise SoundmindError(
            f"{folder}: holds none of the splits {', '.join(splits)}",
            f"Give a folder with <split>/{METADATA_FILE}, <split>/<id>/{ANNOTATION_FILE} or <split>.jsonl.",
        )
    return found


def _find_split(folder: Path, split: str) -> SplitLayout | None:
    home, lines = folder / split, folder / f"{split}.jsonl"
    folders = _sample_folders(home) if home.is_dir() else {}
    if (home / METADATA_FILE).is_file():
        return SplitLayout(split, home / METADATA_FILE, folders)
    if lines.is_file():
        return SplitLayout(split, lines, folders)
    return SplitLayout(split, None, folders) if folders else None


def _sample_folders(home: Path) -> dict[str, SampleFolder]:
    """All folders inside a split's folder but hidden ones."""
    with os.scandir(home) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    folders = {}
    for name in names:
        with os.scandir(home / name) as entries:
            # Whatever has the name: a folder or a dangling link in a clip's place is a defect, not a missing clip.
            folders[name] = SampleFolder(home / name, frozenset(entry.name for entry in entries))
    return folders


def file_name_defects(key: str, name: str | None, layout: SplitLayout, number: str, stem: str) -> list[str]:
    """What is wrong with the name that metadata gives a sound file.

    Args:
        key: The key that it stands under.
        name: The name, relative to the split's folder; None is right too.
        layout: The split.
        number: The sample's id.
        stem: What the file must be called, without its suffix.
    """
    if name is None:
        return []
    path = PurePosixPath(name)
    if "\\" in name or path.parts[:-1] not in ((number,), (layout.split, number)):
        return [f"{key}: {name!r} is not in the sample's folder {number}"]
    if path.stem != stem or path.suffix.lower() not in AUDIO_SUFFIXES:
        return [f"{key}: {name!r} is not a sound file called {stem}"]
    return []

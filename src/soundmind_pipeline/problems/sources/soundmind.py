"""Read SoundMind data as it is published, from a folder: annotations, and the sound files beside them if there are any.

Understood are ``<split>/metadata.jsonl`` with ``<split>/<id>/{annotation.json,question.wav,answer_{0|1}.wav}``, any
part of it, and ``<split>.jsonl`` with or without those folders. What contradicts itself is set aside, never repaired.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.problems.leak_groups import assign_leak_groups
from soundmind_pipeline.problems.published.annotations import Annotation, parse_annotation
from soundmind_pipeline.problems.published.fields import FieldError, shown
from soundmind_pipeline.problems.published.lines import BadRow, JsonLine, read_object, read_objects
from soundmind_pipeline.problems.published.metadata import Metadata, parse_metadata
from soundmind_pipeline.problems.schema import SPLITS
from soundmind_pipeline.problems.sources.layout import (
    Clips,
    SampleFolder,
    SplitLayout,
    file_name_defects,
    find_splits,
)
from soundmind_pipeline.problems.sources.rows import EXTENSION_KEY, Rejected, defects_of, sample_row, text_frame

logger = logging.getLogger(__name__)

SOURCE_NAME: Final = "soundmind"


def read_soundmind(folder: Path, splits: Sequence[str] = SPLITS) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Clips]]:
    """Read a folder of SoundMind data.

    ``reference_…`` and ``label_conflict`` come from each row's own answer, ``leak_group`` from the texts of all splits
    together. A row with an extension (:data:`~.rows.EXTENSION_KEY`), in its ``annotation.json`` or else in its line,
    gets back the columns that were exported.

    Args:
        folder: The data set; the layout of each split is detected.
        splits: Splits to read; one that is absent is left out.

    Returns:
        The text columns of the sample table; the records that cannot be used, with ``uid``, ``place`` (file relative
        to ``folder``, and line), ``reason`` and the record as JSON; and the sound files that exist, by uid of the rows.

    Raises:
        SoundmindError: If the folder holds none of the splits, or a table cannot be read.
    """
    rows: list[dict[str, Any]] = []
    rejected = Rejected()
    clips: dict[str, Clips] = {}
    absent: list[str] = []
    for layout in find_splits(folder, splits):
        reader = _SplitReader(folder, layout, rejected)
        read = list(reader.read())
        rows += [row for row, _ in read]
        clips |= {row["uid"]: found for row, found in read if found is not None}
        absent += reader.absent
        logger.info("Read %d %s rows of %s.", len(read), layout.split, SOURCE_NAME)
    if absent:
        logger.warning(
            "%d sound files that metadata name are not there, first %s: an incomplete copy? Such questions count as "
            "unspoken.",
            len(absent),
            ", ".join(absent[:3]),
        )
    return assign_leak_groups(text_frame(rows)), rejected.frame(), clips


class _SplitReader:
    """Reads one split; what it cannot use goes to ``rejected``."""

    def __init__(self, root: Path, layout: SplitLayout, rejected: Rejected) -> None:
        self._root = root
        self._layout = layout
        self._rejected = rejected
        self._places: dict[str, str] = {}
        """Ids that stand in the table, usable or not, with the place of the first."""
        self.absent: list[str] = []
        """Sound files that metadata name and the samples' folders do not hold."""

    def read(self) -> Iterator[tuple[dict[str, Any], Clips | None]]:
        """Usable rows with their sound files, in the order of the table."""
        split = self._layout.split
        for path, line in self._lines():
            place = f"{self._relative(path)}, line {line.line}"
            if isinstance(line, BadRow):
                self._note_id(line.document, place)
                self._rejected.add_line(split, place, line)
                continue
            try:
                found = self._sample(path, line, place)
            except FieldError as error:
                self._note_id(line.document, place)
                self._rejected.add_line(split, place, BadRow(path, line.line, str(error), line.document))
                continue
            if found is not None:
                yield found
        for name, folder in self._layout.folders.items():
            if name not in self._places and self._layout.table is not None:
                reason = f"no row of {self._relative(self._layout.table)} has this id"
                self._rejected.add(f"{split}/{name}", self._relative(folder.path), [reason])

    def _lines(self) -> Iterator[tuple[Path, JsonLine | BadRow]]:
        """Every record of the split, with the file it stands in."""
        if self._layout.table is not None:
            for line in read_objects(self._layout.table):
                yield self._layout.table, line
            return
        for name, folder in self._layout.folders.items():
            if folder.annotation is None:
                self._rejected.add(f"{self._layout.split}/{name}", self._relative(folder.path), ["no annotation.json"])
            else:
                yield folder.annotation, read_object(folder.annotation)

    def _sample(self, path: Path, line: JsonLine, place: str) -> tuple[dict[str, Any], Clips | None] | None:
        """The row that a record makes with its folder, and the folder's sound files; None if it is set aside.

        Raises:
            FieldError: A key of the record holds something else than it must.
        """
        metadata = parse_metadata(line) if self._layout.is_metadata else Metadata(parse_annotation(line), None, None)
        number = metadata.annotation.id
        if number is None:
            raise FieldError("id", "must be a text, is missing or null")
        reasons = self._name_defects(metadata, number, place, path)
        folder = self._layout.folders.get(number)
        clips = None
        if folder is None and self._layout.folders and self._layout.is_metadata:
            reasons.append(f"there is no folder {shown(number)} for it")
        elif folder is not None:
            clips, defects = folder.clips(metadata.annotation.label)
            reasons += defects
            named = {metadata.question_file_name: clips.question, metadata.answer_file_name: clips.answer}
            self.absent += [f"{self._layout.split}/{name}" for name, file in named.items() if name and file is None]
        annotation, extension, defects = self._annotation(metadata.annotation, line, folder)
        file = folder.annotation if folder and folder.annotation else path
        origin = {
            "source": SOURCE_NAME,
            "file": self._relative(file),
            "line": line.line if file == path else 1,
            "teacher": "published",
            "colloquialization": "published",
        }
        row = sample_row(self._layout.split, annotation, origin, extension)
        reasons += defects or defects_of(row)
        if reasons:
            self._rejected.add(f"{self._layout.split}/{number}", place, reasons, line.document)
            return None
        return row, clips if clips and (clips.question or clips.answer) else None

    def _name_defects(self, metadata: Metadata, number: str, place: str, path: Path) -> list[str]:
        """What is wrong with the id and with the names of the sound files."""
        label = metadata.annotation.label
        reasons = []
        if number in self._places:
            reasons.append(f"id: {shown(number)} stands in {self._places[number]} already")
        self._places.setdefault(number, place)
        if self._layout.table is None and path.parent.name != number:
            reasons.append(f"id: {shown(number)} stands in the folder {path.parent.name}")
        for key, name, stem in (
            ("question_file_name", metadata.question_file_name, "question"),
            ("answer_file_name", metadata.answer_file_name, f"answer_{label}"),
        ):
            reasons += file_name_defects(key, name, self._layout, number, stem)
        return reasons

    def _annotation(
        self, listed: Annotation, line: JsonLine, folder: SampleFolder | None
    ) -> tuple[Annotation, Any, list[str]]:
        """The sample as its folder has it, or as the table lists it; its extension; and where the two disagree."""
        extension = line.document.get(EXTENSION_KEY)
        if folder is None or folder.annotation is None or self._layout.table is None:
            return listed, extension, []
        place = self._relative(folder.annotation)
        own = read_object(folder.annotation)
        if isinstance(own, BadRow):
            return listed, extension, [f"{place}: {own.reason}"]
        try:
            annotation = parse_annotation(own)
        except FieldError as error:
            return listed, extension, [f"{place}: {error}"]
        differing = [
            key
            for key in ("id", "user_content", "answer", "label")
            if _collapsed(getattr(annotation, key)) != _collapsed(getattr(listed, key))
        ]
        table = self._relative(self._layout.table)
        return (
            annotation,
            own.document.get(EXTENSION_KEY, extension),
            [f"{place}: the {key} is not that of {table}" for key in differing],
        )

    def _note_id(self, document: dict[str, Any] | None, place: str) -> None:
        """Remember the id of a record that cannot be used: its folder is not without a row."""
        number = (document or {}).get("id")
        if isinstance(number, str | int):
            self._places.setdefault(str(number), place)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def _collapsed(value: Any) -> Any:
    """A text with its blanks collapsed: line ends and indentation are no disagreement."""
    return " ".join(value.split()) if isinstance(value, str) else value

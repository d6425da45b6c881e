"""SoundMind's annotation files: ``{train,dev,test}.jsonl`` with ``id``, ``user_content``, ``answer`` and ``label``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soundmind_pipeline.problems.published.fields import FieldError, read_id, read_label, read_seconds, read_text
from soundmind_pipeline.problems.published.lines import BadRow, JsonLine, OnBytes, read_objects

KEYS: Final = ("id", "user_content", "answer", "label", "question_seconds", "answer_seconds")
"""The keys that are read; others are ignored."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One published sample, as it stands in the file."""

    line: int
    """Line of the file, from 1."""
    id: str | None
    """Unique within a split in published files; None if the row has none."""
    user_content: str
    """The prompt: instructions, premises and conclusion."""
    answer: str
    """The teacher's reasoning with its last line ``Answer: …``."""
    label: int
    """1 entailed, 0 not entailed."""
    label_type: str
    """``integer`` as published; ``float``, ``boolean`` or ``string`` if the file writes it otherwise."""
    question_seconds: float | None
    """Duration of the spoken prompt, if the row gives it."""
    answer_seconds: float | None
    """Duration of the spoken answer, if the row gives it."""


def read_annotations(path: Path, on_bytes: OnBytes | None = None) -> Iterator[Annotation | BadRow]:
    """Read an annotation file row by row.

    Args:
        path: JSON Lines in UTF-8, one sample a line.
        on_bytes: Told how many bytes are read, for a progress bar.

    Yields:
        A sample, or in its place a bad row with the reason; blank lines are skipped.

    Raises:
        SoundmindError: If there is no such file or it cannot be read.
    """
    for row in read_objects(path, on_bytes):
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield parse_annotation(row)
        except FieldError as error:
            yield BadRow(path, row.line, str(error), row.document)


def parse_annotation(row: JsonLine) -> Annotation:
    """The sample that a JSON object holds.

    Raises:
        FieldError: A key is missing or holds something else than it must.
    """
    document = row.document
    label, label_type = read_label(document)
    return Annotation(
        line=row.line,
        id=read_id(document),
        user_content=read_text(document, "user_content"),
        answer=read_text(document, "answer"),
        label=label,
        label_type=label_type,
        question_seconds=read_seconds(document, "question_seconds"),
        answer_seconds=read_seconds(document, "answer_seconds"),
    )

"""SoundMind's ``<split>/metadata.jsonl``: the annotations under other keys, and the names of the sound files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from soundmind_pipeline.problems.published.annotations import Annotation
from soundmind_pipeline.problems.published.fields import read_id, read_label, read_text
from soundmind_pipeline.problems.published.lines import JsonLine

KEYS: Final = ("id", "question_file_name", "answer_file_name", "annotation_question", "annotation_answer", "label")
"""The keys as published; others are ignored."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """One line of metadata."""

    annotation: Annotation
    question_file_name: str | None
    """Relative to the split's folder, such as ``0001/question.wav``; None if the line names none."""
    answer_file_name: str | None
    """As ``0001/answer_1.wav``."""


def parse_metadata(row: JsonLine) -> Metadata:
    """The sample that a line of metadata describes.

    Raises:
        FieldError: A key is missing or holds something else than it must; the names of sound files may be missing.
    """
    document = row.document
    label, label_type = read_label(document)
    annotation = Annotation(
        line=row.line,
        id=read_id(document),
        user_content=read_text(document, "annotation_question"),
        answer=read_text(document, "annotation_answer"),
        label=label,
        label_type=label_type,
        question_seconds=None,
        answer_seconds=None,
    )
    question, answer = (_optional(document, f"{side}_file_name") for side in ("question", "answer"))
    return Metadata(annotation, question, answer)


def _optional(document: Mapping[str, Any], key: str) -> str | None:
    return None if document.get(key) is None else read_text(document, key)

"""Rows of the sample table as published records."""

from collections.abc import Mapping
from typing import Any, Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.schema import TEXT_COLUMNS, is_null
from soundmind_pipeline.problems.sources.rows import EXTENSION_KEY, reference_of

PUBLISHED_KEYS: Final = ("id", "user_content", "answer", "label")
ANSWER: Final = "{reasoning}\n\n\n\nAnswer: {verdict}."
"""The published form of an answer; 605 of 606 dev answers have these blank lines."""

_LONG: Final = ("reference_reasoning", "reference_answer")
"""Columns that the answer holds already; told twice only where they could not be read out of it."""


def published_answer(row: Mapping[str, Any]) -> str:
    """The reference of a row as published: reasoning, then the last line ``Answer: …``.

    A reference without a verdict is a published text as it stands, and stays so.

    Raises:
        SoundmindError: The row has no reference.
    """
    if is_null(row["reference_answer"]):
        raise SoundmindError(
            f"{row['uid']} has no reference answer, which the published layout needs",
            hint="Run the ingestion, which gives every row one.",
        )
    if is_null(row["reference_verdict"]):
        return str(row["reference_answer"])
    return ANSWER.format(reasoning=row["reference_reasoning"], verdict=row["reference_verdict"])


def published_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """``annotation.json`` of a row: the published keys, and every other text column under :data:`EXTENSION_KEY`.

    Raises:
        SoundmindError: The row has no reference.
    """
    answer = published_answer(row)
    reference = reference_of(answer)
    derived = dict(zip(_LONG, (reference.reasoning, reference.response), strict=True))
    extension = {
        name: None if is_null(row[name]) else row[name]
        for name in TEXT_COLUMNS
        if name not in PUBLISHED_KEYS and not (name in _LONG and row[name] == derived[name])
    }
    record = {"id": row["id"], "user_content": row["user_content"], "answer": answer, "label": int(row["label"])}
    return record | {EXTENSION_KEY: extension}

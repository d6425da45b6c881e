"""From one published record to one row of the sample table, or to the list of what is set aside."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import pandas as pd

from soundmind_pipeline.problems.published.annotations import Annotation
from soundmind_pipeline.problems.published.fields import FieldError, shown
from soundmind_pipeline.problems.published.lines import BadRow
from soundmind_pipeline.problems.published.premises import Premises, split_prompt
from soundmind_pipeline.problems.schema import TEXT_COLUMNS, TEXT_DTYPES, validate_row
from soundmind_pipeline.problems.verified.language import RESPONSE
from soundmind_pipeline.rewards.verdict import OPEN, parse_verdict, reasoning_of

EXTENSION_KEY: Final = "soundmind_pipeline"
"""Key of a record under which an export of this project keeps the columns that the layout has no room for."""

REJECTED_COLUMNS: Final = ("uid", "place", "reason", "row")

_PUBLISHED: Final = ("split", "id", "uid", "user_content", "label")
"""Columns that the published layout holds itself."""


class Reference(NamedTuple):
    """What a teacher's answer says."""

    reasoning: str | None
    """Stripped, without tags and marker; None if there is nothing before the verdict."""
    response: str
    """In the form that the policy is trained on if there is a verdict, else the answer as it stands."""
    verdict: str | None


def reference_of(answer: str) -> Reference:
    """Read an answer: reasoning, a last ``Answer:`` marker, and a verdict that closes it.

    Args:
        answer: As published, or in the ``<think>`` form.
    """
    parsed = parse_verdict(answer, "think" if OPEN in answer else "plain")
    if parsed.verdict is None:
        return Reference(reasoning_of(answer).strip() or None, answer, None)
    reasoning = parsed.reasoning.strip()
    return Reference(reasoning, RESPONSE.format(reasoning=reasoning, verdict=parsed.verdict), parsed.verdict)


def sample_row(split: str, annotation: Annotation, provenance: Mapping[str, Any], extension: Any = None) -> dict:
    """The text columns of a published sample; ``leak_group`` is None where it is not known yet.

    Args:
        split: The split that it stands in.
        annotation: The sample; it has an id.
        provenance: Where it comes from.
        extension: What stands under :data:`EXTENSION_KEY`; its columns are restored as they are.

    Raises:
        FieldError: The extension is no object, holds an unknown column, or contradicts the record.
    """
    prompt = split_prompt(annotation.user_content)
    premises = prompt.premises if prompt else None
    reference = reference_of(annotation.answer)
    conflict = reference.verdict is not None and (reference.verdict == "entailed") != (annotation.label == 1)
    row = empty_row(split, str(annotation.id), provenance) | triplet_columns(premises)
    row |= {
        "user_content": annotation.user_content,
        "reference_reasoning": reference.reasoning,
        "reference_answer": reference.response,
        "reference_verdict": reference.verdict,
        "label": annotation.label,
        "label_conflict": conflict,
    }
    return row if extension is None else _restored(row, extension)


def empty_row(split: str, number: str, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its name and its origin only."""
    named = {"split": split, "id": number, "uid": f"{split}/{number}"}
    return dict.fromkeys(TEXT_COLUMNS) | named | {"provenance": json.dumps(provenance), "label_conflict": False}


def triplet_columns(premises: Premises | None) -> dict[str, str | None]:
    """The columns of the premises and the conclusion; blank ones are null."""
    major, minor, conclusion = premises or (None, None, None)
    return {"major_premise": major or None, "minor_premise": minor or None, "conclusion": conclusion or None}


def _restored(row: dict[str, Any], extension: Any) -> dict[str, Any]:
    if not isinstance(extension, dict):
        raise FieldError(EXTENSION_KEY, f"must be an object, is {shown(extension)}")
    for name, value in extension.items():
        if name not in TEXT_DTYPES:
            raise FieldError(EXTENSION_KEY, f"holds an unknown column {shown(name)}")
        if name in _PUBLISHED and value != row[name]:
            raise FieldError(EXTENSION_KEY, f"gives the {name} {shown(value)}, the record itself {shown(row[name])}")
        if isinstance(value, str) and value.encode("utf-8", "replace").decode() != value:
            raise FieldError(EXTENSION_KEY, f"column {name} holds half of a surrogate pair, which is no valid Unicode")
    return row | extension


def defects_of(row: Mapping[str, Any]) -> list[str]:
    """Why a complete row may not enter the sample table, whether its leak group is known or not."""
    return validate_row({**row, "leak_group": row["leak_group"] or "not known yet"})


def text_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a frame of the text columns with their types."""
    return pd.DataFrame(rows, columns=list(TEXT_COLUMNS)).astype(TEXT_DTYPES)


class Rejected:
    """The records that cannot be used."""

    def __init__(self) -> None:
        self._rows: list[dict[str, str]] = []

    def add(self, uid: str, place: str, reasons: Sequence[str], record: Any = None) -> None:
        """Set one aside.

        Args:
            uid: ``split/id`` where the id is known, else a name made from the place.
            place: File, relative to the source's folder, and line.
            reasons: At least one.
            record: What stands there, kept as JSON.
        """
        texts = (uid, place, "; ".join(reasons))
        # Whatever the texts hold, the table must be writable as UTF-8.
        values = [*(text.encode("utf-8", "backslashreplace").decode() for text in texts), json.dumps(record)]
        self._rows.append(dict(zip(REJECTED_COLUMNS, values, strict=True)))

    def add_line(self, split: str, place: str, bad: BadRow) -> None:
        """Set a line aside that a reader could not use."""
        number = (bad.document or {}).get("id")
        name = str(number) if isinstance(number, str | int) else f"line {bad.line}"
        self.add(f"{split}/{name}", place, [bad.reason], bad.document)

    def frame(self) -> pd.DataFrame:
        """Columns :data:`REJECTED_COLUMNS`, all texts."""
        return pd.DataFrame(self._rows, columns=list(REJECTED_COLUMNS)).astype("str")

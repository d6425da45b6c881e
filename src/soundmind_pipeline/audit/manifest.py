"""The audit of a manifest: the same document as of annotation files, with what only sound files can tell."""

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from soundmind_pipeline.audit.rows import CountTokens, Row, measure
from soundmind_pipeline.audit.run import SplitRows, audit_splits
from soundmind_pipeline.audit.sources import agreement
from soundmind_pipeline.audit.summary import MANIFEST
from soundmind_pipeline.problems.published.annotations import Annotation
from soundmind_pipeline.problems.published.premises import Premises
from soundmind_pipeline.problems.schema import SPLITS

COLUMNS = (
    "split", "id", "user_content", "major_premise", "minor_premise", "conclusion", "reference_answer", "label",
    "source_label", "question_seconds", "question_speech_seconds", "answer_seconds", "answer_speech_seconds",
)  # fmt: skip
"""Columns of the manifest that are read."""


def audit_manifest(
    manifest: pd.DataFrame,
    quarantine: pd.DataFrame,
    count_tokens: CountTokens | None = None,
    token_unit: str = "whitespace words",
) -> tuple[dict[str, Any], dict[str, list[Row]]]:
    """Audit the manifest.

    Args:
        manifest: Rows of the sample table.
        quarantine: The rows that were set aside: ``uid``, ``place``, ``reason``, ``row`` (JSON).
        count_tokens: Length of a text in tokens; whitespace words if None.
        token_unit: What ``count_tokens`` counts, for the reader.

    Returns:
        The audit with the keys of :func:`~soundmind_pipeline.audit.run.audit_files`, and the rows by split. A row's
        ``line`` is its place in the manifest, from 1; rows in quarantine are the bad rows, and their ``line`` is their
        place there.
    """
    aside = _aside(quarantine)
    splits = {}
    table = manifest[list(COLUMNS)]
    lines = pd.Series(range(1, len(table) + 1), index=table.index)
    for name in (name for name in SPLITS if (table["split"] == name).any()):
        chosen = table["split"] == name
        part = table[chosen]
        rows = [_row(line, row, count_tokens) for line, row in zip(lines[chosen], _records(part), strict=True)]
        splits[name] = SplitRows(MANIFEST, _sha256(part), rows, aside.pop(name, []))
    told = int(table["source_label"].notna().sum())
    audit = audit_splits(
        splits,
        token_unit,
        agreement=_agreement if told else None,
        source_files=[{"file": "manifest, source_label", "rows": told, "bad_rows": []}],
        rows_without_split=[row for rows in aside.values() for row in rows],
    )
    return audit, {name: split.rows for name, split in splits.items()}


def _aside(quarantine: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The rows in quarantine by the split they say they belong to, as the audit lists bad rows."""
    aside: dict[str, list[dict[str, Any]]] = {}
    for line, row in enumerate(quarantine.to_dict("records"), start=1):
        reason = f"{row['uid']} ({row['place']}): {row['reason']}"
        aside.setdefault(_split_of(row), []).append({"line": line, "reason": reason})
    return aside


def _split_of(row: Mapping[Hashable, Any]) -> str:
    """The split of a row in quarantine: as its columns say, else as its uid begins."""
    try:
        split = json.loads(row["row"]).get("split")
    except (ValueError, TypeError, AttributeError):
        split = None
    return split if isinstance(split, str) else str(row["uid"]).partition("/")[0]


def _records(part: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Rows as dictionaries; nulls of every kind become None."""
    return part.astype("object").where(part.notna(), None).to_dict("records")


def _row(line: int, record: Mapping[Hashable, Any], count_tokens: CountTokens | None) -> Row:
    """One row of the manifest, measured as a line of an annotation file is."""
    triplet = (record["major_premise"], record["minor_premise"], record["conclusion"])
    annotation = Annotation(
        line=line,
        id=record["id"],
        user_content=record["user_content"],
        answer=record["reference_answer"],
        label=int(record["label"]),
        label_type="integer",
        question_seconds=record["question_seconds"],
        answer_seconds=record["answer_seconds"],
    )
    row = measure(annotation, count_tokens, Premises(*triplet) if all(triplet) else None)
    source_label = record["source_label"]
    return replace(
        row,
        question_speech_seconds=record["question_speech_seconds"],
        answer_speech_seconds=record["answer_speech_seconds"],
        source_label=None if source_label is None else int(source_label),
    )


def _agreement(rows: Sequence[Row]) -> dict[str, Any]:
    return agreement(rows, lambda row: () if row.source_label is None else (row.source_label,))


def _sha256(part: pd.DataFrame) -> str:
    """A checksum of the rows' content, independent of how the file is written."""
    return hashlib.sha256(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes()).hexdigest()

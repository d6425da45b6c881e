"""The sample table: its columns, their types, and the reasons why a row is bad.

One row is one problem. Every source ends in this table; the manifest is this table written to Parquet.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

SPLITS: Final = ("train", "dev", "test")
VERDICTS: Final = ("entailed", "not entailed")
CLAIM_KINDS: Final = ("natural", "opposite")

TEXT_DTYPES: Final[dict[str, str]] = {
    "split": "str",
    "id": "str",
    "uid": "str",
    "user_content": "str",
    "major_premise": "str",
    "minor_premise": "str",
    "conclusion": "str",
    "reference_reasoning": "str",
    "reference_answer": "str",
    "reference_verdict": "str",
    "label": "int64",
    "source_label": "Int64",
    "label_conflict": "bool",
    "leak_group": "str",
    "family": "str",
    "form": "str",
    "claim_kind": "str",
    "difficulty": "int64",
    "problem": "str",
    "provenance": "str",
}
"""Columns that a source of problems fills, in order, with their pandas types."""

AUDIO_DTYPES: Final[dict[str, str]] = {
    "question_audio": "str",
    "question_sha256": "str",
    "question_seconds": "float64",
    "answer_audio": "str",
    "answer_sha256": "str",
    "answer_seconds": "float64",
}
"""Columns that speech adds, in order; the answer's are null where only the question is spoken."""

SAMPLE_DTYPES: Final[dict[str, str]] = TEXT_DTYPES | AUDIO_DTYPES
TEXT_COLUMNS: Final = tuple(TEXT_DTYPES)
AUDIO_COLUMNS: Final = tuple(AUDIO_DTYPES)
SAMPLE_COLUMNS: Final = tuple(SAMPLE_DTYPES)

ID_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
SHA256_PATTERN: Final = r"[0-9a-f]{64}"

_NULLABLE_TEXT: Final = {"source_label"}
_CHOICES: Final[dict[str, tuple[Any, ...]]] = {
    "split": SPLITS,
    "reference_verdict": VERDICTS,
    "claim_kind": CLAIM_KINDS,
}


def validate_row(row: Mapping[str, Any]) -> list[str]:
    """Why ``row`` may not enter the manifest; an empty list when it may.

    Audio columns are checked where ``row`` has them, so the same test serves before and after speech is made.

    Args:
        row: One row of the sample table, column name to value.

    Returns:
        One sentence per defect, each opening with the column's name.
    """
    reasons = [f"{name}: missing" for name in TEXT_COLUMNS if name not in row]
    present = [name for name in TEXT_COLUMNS if name in row]
    reasons += [reason for name in present if (reason := _text_defect(name, row[name]))]
    # Relations between columns are only worth looking at once each column holds what it should.
    if not reasons:
        reasons += _relation_defects(row)
    if any(name in row for name in AUDIO_COLUMNS):
        reasons += _audio_defects(row)
    return reasons


def _text_defect(name: str, value: Any) -> str | None:
    """What is wrong with one text column's value, or None."""
    if is_null(value):
        return None if name in _NULLABLE_TEXT else f"{name}: null"
    if TEXT_DTYPES[name] == "str":
        return _string_defect(name, value)
    if name == "label_conflict":
        return None if _is_bool(value) else f"{name}: {value!r} is not true or false"
    if _is_bool(value) or not _is_whole(value):
        return f"{name}: {value!r} is not a whole number"
    if name in ("label", "source_label") and value not in (0, 1):
        return f"{name}: {value!r} is neither 0 nor 1"
    if name == "difficulty" and value < 1:
        return f"{name}: {value!r} is below 1"
    return None


def _string_defect(name: str, value: Any) -> str | None:
    """What is wrong with one string, or None."""
    if not isinstance(value, str):
        return f"{name}: {value!r} is not a text"
    if not value.strip():
        return f"{name}: empty"
    if name == "id" and not re.fullmatch(ID_PATTERN, value):
        return f"id: {value!r} may hold letters, digits, '_' and '-' only"
    if name in _CHOICES and value not in _CHOICES[name]:
        return f"{name}: {value!r} is not one of {', '.join(_CHOICES[name])}"
    if name in ("problem", "provenance") and not _is_json_object(value):
        return f"{name}: not a JSON object"
    return None


def _relation_defects(row: Mapping[str, Any]) -> list[str]:
    """Columns that contradict each other."""
    reasons = []
    if row["uid"] != f"{row['split']}/{row['id']}":
        reasons.append(f"uid: {row['uid']!r} is not split/id")
    conflict = (row["reference_verdict"] == "entailed") != (row["label"] == 1)
    if bool(row["label_conflict"]) != conflict:
        reasons.append(f"label_conflict: says {bool(row['label_conflict'])}, the verdict and the label say {conflict}")
    if row["reference_reasoning"].strip() not in row["reference_answer"]:
        reasons.append("reference_answer: does not hold the reference_reasoning")
    return reasons


def _audio_defects(row: Mapping[str, Any]) -> list[str]:
    """Defects of the audio columns: the question's must be filled, the answer's all filled or all null."""
    reasons = _clip_defects("question", row)
    answer = [row.get(f"answer_{field}") for field in ("audio", "sha256", "seconds")]
    if not all(is_null(value) for value in answer):
        reasons += _clip_defects("answer", row)
    return reasons


def _clip_defects(side: str, row: Mapping[str, Any]) -> list[str]:
    """Defects of one clip's path, checksum and duration."""
    path, digest, seconds = (row.get(f"{side}_{field}") for field in ("audio", "sha256", "seconds"))
    reasons = []
    if not isinstance(path, str) or not path.strip():
        reasons.append(f"{side}_audio: missing")
    elif "\\" in path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        reasons.append(f"{side}_audio: {path!r} is not a POSIX path inside the project")
    if not isinstance(digest, str) or not re.fullmatch(SHA256_PATTERN, digest):
        reasons.append(f"{side}_sha256: {digest!r} is not 64 lower-case hex digits")
    if seconds is None or not _is_number(seconds) or not math.isfinite(seconds) or seconds <= 0:
        reasons.append(f"{side}_seconds: {seconds!r} is not a positive duration")
    return reasons


def is_null(value: Any) -> bool:
    """Whether ``value`` is None, NaN, or pandas' NA (known without importing pandas)."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (_is_number(value) and value != value)


def _is_bool(value: Any) -> bool:
    """Whether ``value`` is Python's or numpy's bool."""
    return type(value).__name__ in ("bool", "bool_")


def _is_number(value: Any) -> bool:
    """Whether ``value`` is a Python or numpy number (bool excluded)."""
    return not isinstance(value, str) and not _is_bool(value) and hasattr(value, "__float__")


def _is_whole(value: Any) -> bool:
    """Whether ``value`` is an integral number."""
    return _is_number(value) and math.isfinite(value) and float(value).is_integer()


def _is_json_object(text: str) -> bool:
    """Whether ``text`` is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False

"""The sample table: its columns, their types, and the reasons why a row is bad.

One row is one problem. Every source ends in this table; the manifest is this table written to Parquet. Between a
source and the manifest stand steps that fill columns (the prompt, the teacher's answer, speech): until then they are
null, and :func:`validate_row` is not asked yet.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final, TypeGuard

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
    "difficulty": "Int64",
    "problem": "str",
    "provenance": "str",
}
"""Columns that a source of problems and the steps of its construction fill, in order, with their pandas types."""

AUDIO_DTYPES: Final[dict[str, str]] = {
    "question_audio": "str",
    "question_sha256": "str",
    "question_seconds": "float64",
    "question_speech_seconds": "float64",
    "question_loudness_db": "float64",
    "answer_audio": "str",
    "answer_sha256": "str",
    "answer_seconds": "float64",
    "answer_speech_seconds": "float64",
    "answer_loudness_db": "float64",
}
"""Columns that speech adds, in order; the answer's are null where only the question is spoken.

``…_seconds`` is the clip's length and ``…_speech_seconds`` what of it is speech, by voice activity; ``…_loudness_db``
is the clip's RMS level in dB of full scale.
"""

SAMPLE_DTYPES: Final[dict[str, str]] = TEXT_DTYPES | AUDIO_DTYPES
TEXT_COLUMNS: Final = tuple(TEXT_DTYPES)
AUDIO_COLUMNS: Final = tuple(AUDIO_DTYPES)
SAMPLE_COLUMNS: Final = tuple(SAMPLE_DTYPES)

ID_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
SHA256_PATTERN: Final = r"[0-9a-f]{64}"
SPEECH_TOLERANCE: Final = 0.05
"""Seconds by which voice activity may reach past a clip's end: it counts in frames."""

CONSTRUCTED_COLUMNS: Final = ("family", "form", "claim_kind", "difficulty", "problem")
"""What is known of a problem that was generated from a logical form: all filled, or for other sources all null."""

NULLABLE_COLUMNS: Final = (
    "major_premise",
    "minor_premise",
    "conclusion",
    "reference_reasoning",
    "reference_verdict",
    "source_label",
    *CONSTRUCTED_COLUMNS,
)
"""Text columns that may be null in a manifest: the premises where a prompt has no triplet that can be found (LogiQA has
empty major premises too), the verdict where the reference states none, the reasoning where it has none either."""

CLIP_FIELDS: Final = ("audio", "sha256", "seconds", "speech_seconds", "loudness_db")
"""What the audio columns say of the ``question_`` and of the ``answer_``."""

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
        return None if name in NULLABLE_COLUMNS else f"{name}: null"
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
    reasons += _reference_defects(row)
    empty = [name for name in CONSTRUCTED_COLUMNS if is_null(row[name])]
    if empty and len(empty) < len(CONSTRUCTED_COLUMNS):
        given = next(name for name in CONSTRUCTED_COLUMNS if name not in empty)
        reasons += [f"{name}: null, while {given} is given" for name in empty]
    return reasons


def _reference_defects(row: Mapping[str, Any]) -> list[str]:
    """The reference's verdict, reasoning and text against each other and against the label."""
    verdict, reasoning, says = row["reference_verdict"], row["reference_reasoning"], bool(row["label_conflict"])
    reasons = []
    # A reference without a verdict contradicts no label.
    conflict = not is_null(verdict) and (verdict == "entailed") != (row["label"] == 1)
    if says != conflict:
        reasons.append(f"label_conflict: says {says}, the verdict and the label say {conflict}")
    if is_null(reasoning):
        if not is_null(verdict):
            reasons.append("reference_reasoning: null, while reference_verdict is given")
    elif reasoning.strip() not in row["reference_answer"]:
        reasons.append("reference_answer: does not hold the reference_reasoning")
    return reasons


def _audio_defects(row: Mapping[str, Any]) -> list[str]:
    """Defects of the audio columns: the question's must be filled, the answer's all filled or all null."""
    reasons = _clip_defects("question", row)
    if not all(is_null(row.get(f"answer_{field}")) for field in CLIP_FIELDS):
        reasons += _clip_defects("answer", row)
    return reasons


def _clip_defects(side: str, row: Mapping[str, Any]) -> list[str]:
    """Defects of one clip's path, checksum, durations and level."""
    path, digest, seconds, speech, level = (row.get(f"{side}_{field}") for field in CLIP_FIELDS)
    reasons = []
    if not isinstance(path, str) or not path.strip():
        reasons.append(f"{side}_audio: missing")
    elif "\\" in path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        reasons.append(f"{side}_audio: {path!r} is not a POSIX path inside the project")
    if not isinstance(digest, str) or not re.fullmatch(SHA256_PATTERN, digest):
        reasons.append(f"{side}_sha256: {digest!r} is not 64 lower-case hex digits")
    if not _is_finite(seconds) or seconds <= 0:
        reasons.append(f"{side}_seconds: {seconds!r} is not a positive duration")
    elif not _is_finite(speech) or not 0 <= speech <= seconds + SPEECH_TOLERANCE:
        reasons.append(f"{side}_speech_seconds: {speech!r} is not between 0 and the clip's {seconds!r} s")
    if not _is_finite(level):
        reasons.append(f"{side}_loudness_db: {level!r} is not a level")
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


def _is_finite(value: Any) -> TypeGuard[float]:
    """Whether ``value`` is a finite number."""
    return _is_number(value) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    """Whether ``value`` is an integral number."""
    return _is_finite(value) and float(value).is_integer()


def _is_json_object(text: str) -> bool:
    """Whether ``text`` is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False

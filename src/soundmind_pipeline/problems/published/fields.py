"""Reading one key of a published row: the value in its right type, or a sentence that names the key."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

LABELS: Final = {"not entailed": 0, "entailed": 1, "not entailment": 0, "entailment": 1}
"""Labels in words, hyphens and underscores read as blanks."""

_IN_WORDS: Final = LABELS | {"0": 0, "1": 1, "false": 0, "true": 1}


class FieldError(ValueError):
    """A key that does not hold what it must."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"key {shown(key)}: {problem}")


def read_text(document: Mapping[str, Any], key: str) -> str:
    """The text under ``key``, as it stands.

    Raises:
        FieldError: If it is missing, null, no string, blank, or holds half of a surrogate pair (no valid Unicode).
    """
    value = document.get(key)
    if not isinstance(value, str):
        raise _wrong(document, key, "a text")
    return _checked(key, value)


def read_texts(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The texts under ``key``, where one text may stand without a list; an empty list gives ().

    Raises:
        FieldError: As for :func:`read_text`, of any element.
    """
    value = document.get(key)
    if isinstance(value, str):
        return (_checked(key, value),)
    if not isinstance(value, list):
        raise _wrong(document, key, "a text or a list of texts")
    for element in value:
        if not isinstance(element, str):
            raise FieldError(key, f"holds {shown(element)} where a text must stand")
    return tuple(_checked(key, element) for element in value)


def read_id(document: Mapping[str, Any], key: str = "id") -> str | None:
    """The id as a string; whole numbers count, null and a missing key are None.

    Raises:
        FieldError: If it is anything else, or blank.
    """
    value = document.get(key)
    if value is None:
        return None
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise _wrong(document, key, "a text")
    return _checked(key, value)


def read_label(document: Mapping[str, Any], key: str = "label") -> tuple[int, str]:
    """The label, 1 entailed or 0 not entailed, with the type it had in the file.

    Right is the integer; a float, a boolean, or a string (``"1"``, ``"true"``, ``"entailed"``, ``"not-entailed"`` … in
    any case) is understood too.

    Returns:
        The label, and ``integer``, ``float``, ``boolean`` or ``string``.

    Raises:
        FieldError: If it is none of these.
    """
    value = document.get(key)
    if isinstance(value, bool):
        return int(value), "boolean"
    if isinstance(value, int | float) and value in (0, 1):
        return int(value), "integer" if isinstance(value, int) else "float"
    if isinstance(value, str):
        words = " ".join(value.casefold().replace("-", " ").replace("_", " ").split())
        if words in _IN_WORDS:
            return _IN_WORDS[words], "string"
    raise _wrong(document, key, "0 (not entailed) or 1 (entailed)")


def read_seconds(document: Mapping[str, Any], key: str) -> float | None:
    """A duration in seconds; None if it is missing, null or NaN (which is how tables write a missing number).

    Raises:
        FieldError: If it is not a finite number above 0.
    """
    value = document.get(key)
    if value is None or value != value:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise _wrong(document, key, "a number of seconds above 0")
    return float(value)


def shown(value: object, length: int = 60) -> str:
    """A value as JSON, cut to a readable length, safe to print whatever it holds."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        value = value[: length + 1]  # do not encode megabytes to show a line
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= length else f"{text[:length]}…"


def _checked(key: str, text: str) -> str:
    if not text or text.isspace():
        raise FieldError(key, "blank")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise FieldError(key, "holds half of a surrogate pair, which is no valid Unicode") from None
    return text


def _wrong(document: Mapping[str, Any], key: str, wanted: str) -> FieldError:
    return FieldError(key, f"must be {wanted}, is {shown(document[key]) if key in document else 'missing'}")

"""JSON Lines one by one: each is an object, or a bad row with its place and reason; none is lost, none is fatal."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.published.fields import FieldError, shown

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Longest line that is read into memory; the longest published one holds about 20 kB."""

OnBytes = Callable[[int], object]
"""Told, after each line, how many bytes of the file are read."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that cannot be used."""

    file: Path
    line: int
    """Counted from 1, blank lines included."""
    reason: str
    document: dict[str, Any] | None = field(default=None, compare=False, repr=False)
    """The object that stands there, if one does."""

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class JsonLine:
    """A line that holds a JSON object."""

    line: int
    document: dict[str, Any]


def read_objects(path: Path, on_bytes: OnBytes | None = None) -> Iterator[JsonLine | BadRow]:
    """Read a JSON Lines file in UTF-8 (with or without byte order mark; LF or CRLF); blank lines are skipped.

    Args:
        path: The file; memory use does not grow with its size.
        on_bytes: Told how far reading has come.

    Yields:
        In the order of the file: the object of a line, or why there is none (not UTF-8, not JSON, not an object, a key
        twice, longer than :data:`MAX_LINE_BYTES`).

    Raises:
        SoundmindError: If there is no such file or it cannot be read.
    """
    if not path.is_file():
        raise SoundmindError(f"{path}: no such file", hint="give the path of a JSON Lines file")
    try:
        with path.open("rb") as source:
            for number, line in enumerate(_bounded_lines(source), start=1):
                if (row := _parse(path, number, line)) is not None:
                    yield row
                if on_bytes is not None:
                    on_bytes(source.tell())
    except OSError as error:
        raise SoundmindError(f"{path}: {error.strerror}", hint="check the file and its rights") from None


def read_object(path: Path) -> JsonLine | BadRow:
    """Read a JSON file that holds one object, with the checks of :func:`read_objects`.

    Returns:
        The object as line 1, or why there is none; a file that cannot be read is a bad row too.
    """
    try:
        with path.open("rb") as source:
            content = source.read(MAX_LINE_BYTES + 1)
    except OSError as error:
        return BadRow(path, 1, f"cannot be read ({error.strerror})")
    row = _parse(path, 1, content if len(content) <= MAX_LINE_BYTES else None)
    return BadRow(path, 1, "empty") if row is None else row


def _bounded_lines(source: BinaryIO) -> Iterator[bytes | None]:
    """Lines of a file; None stands for one that is too long, which is passed over piece by piece."""
    while line := source.readline(MAX_LINE_BYTES + 1):
        if len(line) <= MAX_LINE_BYTES or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = source.readline(MAX_LINE_BYTES)
        yield None


def _parse(path: Path, number: int, line: bytes | None) -> JsonLine | BadRow | None:
    """One line as an object or a bad row; None if it is blank."""
    if line is None:
        return BadRow(path, number, f"longer than {MAX_LINE_BYTES:,} bytes")
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        document = json.loads(text, object_pairs_hook=_unique) if text else None
    except UnicodeDecodeError as error:
        return BadRow(path, number, f"not UTF-8 (byte {error.start})")
    except FieldError as error:
        return BadRow(path, number, str(error))
    except json.JSONDecodeError as error:
        return BadRow(path, number, f"not JSON ({error.msg}, {_place(error)})")
    except (ValueError, RecursionError):  # a number of thousands of digits; brackets nested thousands deep
        return BadRow(path, number, "not JSON that can be read (nested too deep, or a number too long)")
    if not text:
        return None
    if not isinstance(document, dict):
        return BadRow(path, number, f"not a JSON object but {shown(document)}")
    return JsonLine(number, document)


def _place(error: json.JSONDecodeError) -> str:
    """Where in the text: only a file that is one object has lines."""
    column = f"column {error.colno}"
    return column if error.lineno == 1 else f"line {error.lineno}, {column}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different: Python's own reader would silently keep the last one."""
    document = dict(pairs)
    if len(document) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise FieldError(twice, "stands there twice")
    return document

"""LogiQA 2.0-NLI, the source of SoundMind: ``label``, ``major_premise``, ``minor_premise``, ``conclusion`` a line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soundmind_pipeline.problems.published.fields import FieldError, read_label, read_text, read_texts
from soundmind_pipeline.problems.published.lines import BadRow, JsonLine, OnBytes, read_objects
from soundmind_pipeline.problems.published.premises import Premises


@dataclass(frozen=True, slots=True)
class LogiqaProblem:
    """One problem of the source with its label."""

    line: int
    """Line of the file, from 1."""
    premises: Premises
    """Lists of sentences are joined; a major premise may be empty (the source has some)."""
    label: int
    """1 entailed, 0 not entailed."""


def read_logiqa(path: Path, on_bytes: OnBytes | None = None) -> Iterator[LogiqaProblem | BadRow]:
    """Read a LogiQA 2.0-NLI file row by row.

    Args:
        path: JSON Lines in UTF-8; premises are a text or a list of texts (the source splits some into sentences).
        on_bytes: Told how many bytes are read, for a progress bar.

    Yields:
        A problem, or in its place a bad row with the reason (nulls and malformed lines occur); blank lines are skipped.

    Raises:
        SoundmindError: If there is no such file or it cannot be read.
    """
    for row in read_objects(path, on_bytes):
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield _problem(row)
        except FieldError as error:
            yield BadRow(path, row.line, str(error), row.document)


def _problem(row: JsonLine) -> LogiqaProblem:
    premises = Premises(
        major=_joined(read_texts(row.document, "major_premise")),
        minor=_joined(read_texts(row.document, "minor_premise")),
        conclusion=read_text(row.document, "conclusion").strip(),
    )
    return LogiqaProblem(row.line, premises, read_label(row.document)[0])


def _joined(sentences: tuple[str, ...]) -> str:
    """The source cut texts at ". "; put it back."""
    return ". ".join(sentence.strip() for sentence in sentences)

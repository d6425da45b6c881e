"""Made-up annotations in the published form."""

import json
from pathlib import Path
from typing import Any

import pytest

from soundmind_pipeline.audit.rows import Row, measure
from soundmind_pipeline.problems.published.annotations import Annotation

PROMPT = 'Here:\nMajor premise is "{}".\nMinor premise is "{}".\nConclusion is "{}".\n\nYour task is to decide.'


def prompt(major="All men are mortal", minor="Tom is a man", conclusion="Tom is mortal"):
    return PROMPT.format(major, minor, conclusion)


def annotation(**changes) -> dict[str, Any]:
    """One line of an annotation file; a ``verdict`` goes into the answer."""
    verdict = changes.pop("verdict", "entailed" if changes.get("label", 1) else "not entailed")
    row = {"user_content": prompt(), "answer": f"It is so.\n\nAnswer: {verdict}.", "label": 1, "id": "0001"}
    return row | changes


def row(line=1, **changes) -> Row:
    """One measured row."""
    fields = annotation(**changes)
    defaults = {"label_type": "integer", "question_seconds": None, "answer_seconds": None}
    return measure(Annotation(line=line, **(defaults | fields)))


def write(path: Path, *rows) -> Path:
    """Rows as JSON Lines; strings are written as they are."""
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in rows))
    return path


@pytest.fixture
def make_row():
    return row


@pytest.fixture
def make_annotation():
    return annotation


@pytest.fixture
def make_prompt():
    return prompt


@pytest.fixture
def write_rows():
    return write

"""A small data set in each published layout, and a way to damage it."""

import json
from pathlib import Path
from typing import Any

import pytest

PROMPT = 'Here:\nMajor premise is "{}".\nMinor premise is "{}".\nConclusion is "{}".\n\nYour task is to decide.'
MAJORS = {
    "0001": "Every sailor of the northern fleet has crossed the strait at least once in winter",
    "0002": "No museum in this town opens its doors before the market has closed",
    "0003": "All the violins in the shop were varnished by the same old man",
}


def annotation(number: str, label: int = 1, verdict: str | None = None) -> dict[str, Any]:
    """A published record."""
    verdict = verdict or ("entailed" if label else "not-entailed")
    prompt = PROMPT.format(MAJORS[number], f"Fact {number} holds.", f"Claim {number} follows")
    return {
        "id": number,
        "user_content": prompt,
        "answer": f"So it is, {number}.\n\nAnswer: {verdict}.",
        "label": label,
    }


def metadata(record: dict[str, Any]) -> dict[str, Any]:
    """The metadata line of a record."""
    number, label = record["id"], record["label"]
    return {
        "id": number,
        "question_file_name": f"{number}/question.wav",
        "answer_file_name": f"{number}/answer_{label}.wav",
        "annotation_question": record["user_content"],
        "annotation_answer": record["answer"],
        "label": label,
    }


class Dataset:
    """A split ``dev`` of three samples that a test may change before it is read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.records = [annotation("0001"), annotation("0002", 0), annotation("0003", 1, "not-entailed")]

    @property
    def split(self) -> Path:
        return self.root / "dev"

    def folder(self, number: str) -> Path:
        return self.split / number

    def write_lines(self, path: Path, *rows: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")

    def write_jsonl(self, *more: Any) -> "Dataset":
        self.write_lines(self.root / "dev.jsonl", *self.records, *more)
        return self

    def write_metadata(self, *more: Any) -> "Dataset":
        self.write_lines(self.split / "metadata.jsonl", *map(metadata, self.records), *more)
        return self

    def write_sounds(self) -> "Dataset":
        for record in self.records:
            self.folder(record["id"]).mkdir(parents=True, exist_ok=True)
            for name in ("question.wav", f"answer_{record['label']}.wav"):
                (self.folder(record["id"]) / name).write_bytes(b"RIFF")
        return self

    def write_annotations(self) -> "Dataset":
        for record in self.records:
            self.write_annotation(record["id"], record)
        return self

    def write_annotation(self, number: str, record: Any) -> None:
        self.folder(number).mkdir(parents=True, exist_ok=True)
        text = record if isinstance(record, str) else json.dumps(record, indent=2)
        (self.folder(number) / "annotation.json").write_text(text, encoding="utf-8")

    def write_all(self) -> "Dataset":
        return self.write_metadata().write_sounds().write_annotations()


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    return Dataset(tmp_path / "soundmind")


@pytest.fixture
def make_annotation():
    return annotation


@pytest.fixture
def make_metadata():
    return metadata

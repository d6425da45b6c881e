"""Agreement of the annotations' labels, which are a teacher's verdicts, with those of the source they came from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from soundmind_pipeline.audit.rows import Row
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.published.lines import BadRow, OnBytes
from soundmind_pipeline.problems.published.logiqa import read_logiqa
from soundmind_pipeline.problems.published.premises import Premises, words_of


class SourceLabels:
    """The labels of all source files, found again by the words of the triplet."""

    def __init__(self) -> None:
        self.files: list[dict[str, Any]] = []
        """Per file: ``file``, ``rows``, ``bad_rows``."""
        self._labels: dict[str, set[int]] = {}

    def read(self, path: Path, on_bytes: OnBytes | None = None) -> None:
        """Add a LogiQA 2.0-NLI file.

        Raises:
            SoundmindError: If it cannot be read, or no line of it is a problem.
        """
        rows, bad = 0, []
        for problem in read_logiqa(path, on_bytes):
            if isinstance(problem, BadRow):
                bad.append({"line": problem.line, "reason": problem.reason})
                continue
            rows += 1
            self._labels.setdefault(_key(problem.premises), set()).add(problem.label)
        if not rows:
            first = f"; line {bad[0]['line']}: {bad[0]['reason']}" if bad else " (it is empty)"
            raise SoundmindError(
                f"{path}: holds no problem of LogiQA 2.0-NLI{first}",
                hint='each line is a JSON object with "label", "major_premise", "minor_premise" and "conclusion"',
            )
        self.files.append({"file": str(path), "rows": rows, "bad_rows": bad})

    def find(self, premises: Premises | None) -> set[int]:
        """The labels that the source gives a triplet: none, one, or both if it contradicts itself."""
        return self._labels.get(_key(premises), set()) if premises else set()

    def agreement(self, rows: Sequence[Row]) -> dict[str, Any]:
        """How far the labels of a split agree with the source.

        Returns:
            ``matched`` (rows found with one label), ``agree``, ``agreement`` (their ratio, None if nothing matched),
            ``ambiguous`` (found with both labels: not compared), ``unmatched``, ``confusion`` (``label_1_source_0`` …)
            and ``disagreeing_rows``.
        """
        confusion = {f"label_{label}_source_{source}": 0 for label in (0, 1) for source in (0, 1)}
        ambiguous, disagreeing = 0, []
        for row in rows:
            labels = self.find(row.premises)
            ambiguous += len(labels) > 1
            if len(labels) == 1:
                (source,) = labels
                confusion[f"label_{row.label}_source_{source}"] += 1
                if source != row.label:
                    disagreeing.append(row.place)
        matched = sum(confusion.values())
        agree = matched - len(disagreeing)
        return {
            "matched": matched,
            "agree": agree,
            "agreement": agree / matched if matched else None,
            "ambiguous": ambiguous,
            "unmatched": len(rows) - matched - ambiguous,
            "confusion": confusion,
            "disagreeing_rows": disagreeing,
        }


def _key(premises: Premises) -> str:
    """The words of the triplet, one after the other: how the source cut it into sentences does not matter."""
    return " ".join(words_of(" ".join(premises)))

"""The labels of the source that published annotations came from, found again by the words of the triplet."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.published.lines import BadRow, OnBytes
from soundmind_pipeline.problems.published.logiqa import read_logiqa
from soundmind_pipeline.problems.published.premises import Premises, words_of

if TYPE_CHECKING:
    import pandas as pd


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

    def fill(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """A copy of ``rows`` with ``source_label`` where the source gives the triplet one label and none stands there.

        Args:
            rows: Text columns of the sample table.
        """
        import pandas as pd  # the audit of plain files does without

        columns = (rows[name] for name in ("major_premise", "minor_premise", "conclusion"))
        triplets = (
            Premises(*("" if pd.isna(text) else text for text in texts)) for texts in zip(*columns, strict=True)
        )
        found = [self.find(triplet) for triplet in triplets]
        labels = [next(iter(labels)) if len(labels) == 1 else None for labels in found]
        return rows.assign(source_label=rows["source_label"].fillna(pd.Series(labels, rows.index, dtype="Int64")))


def _key(premises: Premises) -> str:
    """The words of the triplet, one after the other: how the source cut it into sentences does not matter."""
    return " ".join(words_of(" ".join(premises)))

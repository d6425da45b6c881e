"""The audit itself: annotation files in, one document out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from soundmind_pipeline.audit.duplicates import across, inside, premise_index, question_index
from soundmind_pipeline.audit.leaks import spelling_table, template_table
from soundmind_pipeline.audit.lengths import paper_row, statistics_of
from soundmind_pipeline.audit.near import SHINGLE_WORDS, THRESHOLD
from soundmind_pipeline.audit.rows import CountTokens, Row, measure
from soundmind_pipeline.audit.sources import SourceLabels
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.problems.published.annotations import read_annotations
from soundmind_pipeline.problems.published.lines import BadRow

FORMAT: Final = 1
"""Version of the document: raised when a key changes its meaning or goes away."""

OnProgress = Callable[[str, int, int], object]
"""Told what is being done, how much of it is done, and how much there is."""


class SplitRows:
    """One annotation file, read and measured.

    Args:
        path: The file.
        count_tokens: Length of a text in tokens; whitespace words if None.
        on_bytes: Told how many bytes are read.

    Raises:
        SoundmindError: If the file cannot be read, or no line of it is a sample.
    """

    def __init__(
        self,
        path: Path,
        count_tokens: CountTokens | None = None,
        on_bytes: Callable[[int], object] | None = None,
    ) -> None:
        self.path = path
        self.rows: list[Row] = []
        self.bad_rows: list[BadRow] = []
        for annotation in read_annotations(path, on_bytes):
            if isinstance(annotation, BadRow):
                self.bad_rows.append(annotation)
            else:
                self.rows.append(measure(annotation, count_tokens))
        if not self.rows:
            first = f"; line {self.bad_rows[0].line}: {self.bad_rows[0].reason}" if self.bad_rows else " (it is empty)"
            raise SoundmindError(
                f"{path}: holds no annotation{first}",
                hint='each line is a JSON object with "id", "user_content", "answer" and "label" (0 or 1)',
            )


def audit_files(
    annotations: Mapping[str, Path],
    sources: Sequence[Path] = (),
    count_tokens: CountTokens | None = None,
    token_unit: str = "whitespace words",
    on_progress: OnProgress | None = None,
) -> tuple[dict[str, Any], dict[str, list[Row]]]:
    """Audit the annotation files of one data set.

    Args:
        annotations: Split name → JSON Lines file. Splits are compared in this order.
        sources: LogiQA 2.0-NLI files to look labels up in.
        count_tokens: Length of a text in tokens; whitespace words if None.
        token_unit: What ``count_tokens`` counts, for the reader.
        on_progress: For a progress bar.

    Returns:
        The audit (its keys are described in docs/audit.md; it holds nothing but JSON types), and the rows by split.

    Raises:
        SoundmindError: On a file that cannot be read or holds no usable row.
    """
    tell: OnProgress = on_progress or (lambda what, done, total: None)
    labels = SourceLabels()
    for path in sources:
        labels.read(path, _on_bytes(path, tell))
    splits = {name: SplitRows(path, count_tokens, _on_bytes(path, tell)) for name, path in annotations.items()}
    rows = {name: split.rows for name, split in splits.items()}
    repeats, cross = _repeats(rows, tell)
    audit = {
        "format": FORMAT,
        "token_unit": token_unit,
        "near_match": {"similarity": "Jaccard", "shingle_words": SHINGLE_WORDS, "threshold": THRESHOLD},
        "splits": {
            name: _counts(split)
            | _verdicts(split.rows)
            | repeats[name]
            | _wording(split.rows)
            | {"statistics": statistics_of(split.rows), "paper": paper_row(name)}
            | {"source": labels.agreement(split.rows) if sources else None}
            for name, split in splits.items()
        },
        "cross_split": cross,
        "source": {"files": labels.files} if sources else None,
    }
    return audit, rows


def _on_bytes(path: Path, tell: OnProgress) -> Callable[[int], object]:
    size = path.stat().st_size if path.is_file() else 0
    return lambda done: tell(f"reading {path.name}", done, size)


def _counts(split: SplitRows) -> dict[str, Any]:
    """Where the rows come from, how many there are, and which lines are none."""
    rows = split.rows
    ids = Counter(row.id for row in rows if row.id is not None)
    entailed = sum(row.label for row in rows)
    return {
        "file": str(split.path),
        "sha256": sha256_of(split.path),
        "lines": len(rows) + len(split.bad_rows),
        "rows": len(rows),
        "entailed": entailed,
        "not_entailed": len(rows) - entailed,
        "bad_rows": [{"line": bad.line, "reason": bad.reason} for bad in split.bad_rows],
        "rows_without_id": sum(row.id is None for row in rows),
        "duplicate_ids": sorted(name for name, count in ids.items() if count > 1),
        "label_types": dict(Counter(row.label_type for row in rows).most_common()),
    }


def _verdicts(rows: Sequence[Row]) -> dict[str, Any]:
    """Labels against the answers' own verdicts."""
    conflicts = [row for row in rows if row.is_conflict]
    without = [row for row in rows if row.verdict is None]
    return {
        "label_conflicts": len(conflicts),
        "label_conflict_rows": [row.place | {"verdict": row.verdict, "spelling": row.spelling} for row in conflicts],
        "label_conflict_spellings": dict(Counter(row.spelling for row in conflicts).most_common()),
        "no_verdict": len(without),
        "no_verdict_rows": [
            row.place | {"reason": row.reason, "verdict_lenient": row.verdict_lenient, "ending": row.ending}
            for row in without
        ],
    }


def _wording(rows: Sequence[Row]) -> dict[str, Any]:
    """Wording of verdicts and prompts, and what of it gives the label away."""
    spellings, templates = spelling_table(rows), template_table(rows)
    return {
        "spellings": spellings,
        "spelling_leaks": [entry["wording"] for entry in spellings if entry["leak"]],
        "templates": templates,
        "template_leaks": [entry["wording"] for entry in templates if entry["leak"]],
        "prompts_without_triplet": sum(row.premises is None for row in rows),
    }


def _repeats(rows: Mapping[str, Sequence[Row]], tell: OnProgress) -> tuple[dict[str, Any], dict[str, Any]]:
    """Duplicates inside each split, and what each two splits share."""
    questions, premises = question_index(rows), premise_index(rows)

    def on_probe(what: str, probes: int) -> Callable[[int], object]:
        return lambda done: tell(what, done, probes)

    repeats = {
        name: inside(questions, premises, name, on_probe(f"duplicates in {name}", len(questions.groups[name])))
        for name in rows
    }
    cross = {
        f"{a}__{b}": across(questions, premises, a, b, on_probe(f"{a} against {b}", max(len(rows[a]), len(rows[b]))))
        for a, b in combinations(rows, 2)
    }
    return repeats, cross

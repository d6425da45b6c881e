"""The audit itself: splits in, one document out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from soundmind_pipeline.audit.duplicates import across, inside, premise_index, question_index
from soundmind_pipeline.audit.leaks import spelling_table, template_table
from soundmind_pipeline.audit.lengths import statistics_of
from soundmind_pipeline.audit.rows import CountTokens, Row, measure
from soundmind_pipeline.audit.sources import agreement_with
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.problems.near import SHINGLE_WORDS, THRESHOLD
from soundmind_pipeline.problems.published.annotations import read_annotations
from soundmind_pipeline.problems.published.lines import BadRow
from soundmind_pipeline.problems.published.table3 import paper_row
from soundmind_pipeline.problems.sources.source_labels import SourceLabels

FORMAT: Final = 1
"""Version of the document: raised when a key changes its meaning or goes away."""

OnProgress = Callable[[str, int, int], object]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class SplitRows:
    """One split, measured."""

    file: str
    """Where the rows stand."""
    sha256: str
    """Of their content."""
    rows: list[Row]
    """Those that can be used."""
    bad_rows: list[dict[str, Any]]
    """Those that cannot: ``line`` and ``reason``."""


def read_split(
    path: Path, count_tokens: CountTokens | None = None, on_bytes: Callable[[int], object] | None = None
) -> SplitRows:
    """Read and measure one annotation file.

    Args:
        path: The file.
        count_tokens: Length of a text in tokens; whitespace words if None.
        on_bytes: Told how many bytes are read.

    Raises:
        SoundmindError: If the file cannot be read, or no line of it is a sample.
    """
    rows: list[Row] = []
    bad_rows: list[dict[str, Any]] = []
    for annotation in read_annotations(path, on_bytes):
        if isinstance(annotation, BadRow):
            bad_rows.append({"line": annotation.line, "reason": annotation.reason})
        else:
            rows.append(measure(annotation, count_tokens))
    if not rows:
        first = f"; line {bad_rows[0]['line']}: {bad_rows[0]['reason']}" if bad_rows else " (it is empty)"
        raise SoundmindError(
            f"{path}: holds no annotation{first}",
            hint='each line is a JSON object with "id", "user_content", "answer" and "label" (0 or 1)',
        )
    return SplitRows(str(path), sha256_of(path), rows, bad_rows)


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
    splits = {name: read_split(path, count_tokens, _on_bytes(path, tell)) for name, path in annotations.items()}
    agreement = partial(agreement_with, labels) if sources else None
    rows = {name: split.rows for name, split in splits.items()}
    return audit_splits(splits, token_unit, agreement, labels.files, on_progress=on_progress), rows


def audit_splits(
    splits: Mapping[str, SplitRows],
    token_unit: str,
    agreement: Callable[[Sequence[Row]], dict[str, Any]] | None = None,
    source_files: Sequence[Mapping[str, Any]] = (),
    rows_without_split: Sequence[Mapping[str, Any]] = (),
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Audit splits that are read and measured; arguments and result as for :func:`audit_files`.

    Args:
        splits: Split name → rows, compared in this order.
        token_unit: What lengths in tokens were counted in.
        agreement: How far the labels of a split agree with its source, where a source is known.
        source_files: Where the source's labels stand: ``file``, ``rows``, ``bad_rows``.
        rows_without_split: Rows of the data set that cannot be used and belong to none of the splits.
        on_progress: For a progress bar.
    """
    tell: OnProgress = on_progress or (lambda what, done, total: None)
    repeats, cross = _repeats({name: split.rows for name, split in splits.items()}, tell)
    return {
        "format": FORMAT,
        "token_unit": token_unit,
        "near_match": {"similarity": "Jaccard", "shingle_words": SHINGLE_WORDS, "threshold": THRESHOLD},
        "splits": {
            name: _counts(split)
            | _verdicts(split.rows)
            | repeats[name]
            | _wording(split.rows)
            | {"statistics": statistics_of(split.rows), "paper": paper_row(name)}
            | {"source": agreement(split.rows) if agreement else None}
            for name, split in splits.items()
        },
        "cross_split": cross,
        "source": {"files": [dict(file) for file in source_files]} if agreement else None,
        "rows_without_split": [dict(row) for row in rows_without_split],
    }


def _on_bytes(path: Path, tell: OnProgress) -> Callable[[int], object]:
    size = path.stat().st_size if path.is_file() else 0
    return lambda done: tell(f"reading {path.name}", done, size)


def _counts(split: SplitRows) -> dict[str, Any]:
    """Where the rows come from, how many there are, and which of them cannot be used."""
    rows = split.rows
    ids = Counter(row.id for row in rows if row.id is not None)
    entailed = sum(row.label for row in rows)
    return {
        "file": split.file,
        "sha256": split.sha256,
        "lines": len(rows) + len(split.bad_rows),
        "rows": len(rows),
        "entailed": entailed,
        "not_entailed": len(rows) - entailed,
        "bad_rows": split.bad_rows,
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

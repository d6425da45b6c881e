"""Texts that stand more than once: inside a split, and across two splits, exactly and nearly.

*Exactly* means equal in normal form (compatibility forms unified, case folded, blanks collapsed). *Nearly* means
another text whose word shingles have a Jaccard similarity of 0.8 or more; questions are compared by their triplet.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from soundmind_pipeline.audit.rows import Row, excerpt
from soundmind_pipeline.problems.near import Match, ShingleIndex

OnProbe = Callable[[int], object]
Rows = list[Row]


def group(rows: Iterable[Row], key: Callable[[Row], str | None]) -> dict[str, Rows]:
    """Rows by a text, in the order of the file; rows without it are left out."""
    groups: dict[str, Rows] = defaultdict(list)
    for row in rows:
        if (text := key(row)) is not None:
            groups[text].append(row)
    return dict(groups)


class TextIndex:
    """Every distinct question, or every distinct major premise, of all splits, ready for near matching.

    Args:
        splits: Rows by split.
        key: The text in normal form that makes two rows equal; None leaves a row out.
        content: The text that is shingled.
    """

    def __init__(
        self, splits: Mapping[str, Sequence[Row]], key: Callable[[Row], str | None], content: Callable[[Row], str]
    ) -> None:
        self.groups = {name: group(rows, key) for name, rows in splits.items()}
        samples: dict[str, Row] = {}
        for groups in self.groups.values():
            for text, rows in groups.items():
                samples.setdefault(text, rows[0])
        self._texts = list(samples)
        self._places = {text: place for place, text in enumerate(self._texts)}
        self._shingles = ShingleIndex(content(row) for row in samples.values())

    def nearest(
        self, probes: Iterable[str], targets: Iterable[str], on_probe: OnProbe | None = None
    ) -> dict[str, tuple[str, Match]]:
        """The most similar of ``targets`` for each of ``probes`` that has one."""
        found = self._shingles.nearest(
            [self._places[text] for text in probes], [self._places[text] for text in targets], on_probe=on_probe
        )
        return {self._texts[probe]: (self._texts[match.target], match) for probe, match in found.items()}


def question_index(splits: Mapping[str, Sequence[Row]]) -> TextIndex:
    """The questions of all splits."""
    return TextIndex(splits, lambda row: row.question, lambda row: row.content)


def premise_index(splits: Mapping[str, Sequence[Row]]) -> TextIndex:
    """The major premises of all splits."""
    return TextIndex(splits, lambda row: row.major_premise, lambda row: row.major_premise or "")


def inside(questions: TextIndex, premises: TextIndex, split: str, on_probe: OnProbe | None = None) -> dict[str, Any]:
    """What stands more than once inside a split.

    Returns:
        ``duplicate_questions``: rows whose question already stood in the split, further up; with those rows, and how
        many questions have both labels. ``near_duplicate_questions``: rows whose question has a near, unequal one in
        the split. ``repeated_major_premises``: rows whose major premise already stood further up.
    """
    groups = questions.groups[split]
    repeats = {text: rows for text, rows in groups.items() if len(rows) > 1}
    near = questions.nearest(groups, groups, on_probe)
    return {
        "duplicate_questions": sum(len(rows) - 1 for rows in repeats.values()),
        "duplicate_question_rows": [
            row.place | {"first": rows[0].place, "text": sample(row)} for rows in repeats.values() for row in rows[1:]
        ],
        "duplicates_with_both_labels": sum(len({row.label for row in rows}) > 1 for rows in repeats.values()),
        "near_duplicate_questions": sum(len(groups[text]) for text in near),
        "repeated_major_premises": sum(len(rows) - 1 for rows in premises.groups[split].values()),
    }


def across(
    questions: TextIndex, premises: TextIndex, first: str, second: str, on_probe: OnProbe | None = None
) -> dict[str, Any]:
    """What stands in two splits.

    Returns:
        ``shared_questions`` and ``shared_major_premises``: distinct texts that stand in both; ``rows_with_shared_…`` by
        split; ``near_…`` by split: distinct texts that do not stand in the other split but have a near one there; the
        texts themselves with their rows; ``shared_questions_with_other_label``: shared questions whose labels differ.
    """
    names = (first, second)
    result: dict[str, Any] = {}
    for what, index in (("questions", questions), ("major_premises", premises)):
        shared = [text for text in index.groups[first] if text in index.groups[second]]
        result[f"shared_{what}"] = len(shared)
        result[f"rows_with_shared_{what}"] = {name: sum(len(index.groups[name][t]) for t in shared) for name in names}
        near = {name: _near(index, name, other, on_probe) for name, other in (names, names[::-1])}
        result[f"near_{what}"] = {name: len(matches) for name, matches in near.items()}
        result[f"shared_{what}_rows"] = [_places(index, text, names, what) for text in shared]
        result[f"near_{what}_rows"] = _near_pairs(index, near, names, what)
    result["shared_questions_with_other_label"] = sum(
        {row.label for row in questions.groups[first][text]} != {row.label for row in questions.groups[second][text]}
        for text in questions.groups[first]
        if text in questions.groups[second]
    )
    return result


def sample(row: Row, what: str = "questions") -> str:
    """The part of a row that is shown: its major premise with its conclusion, or the premise alone."""
    if row.premises is None:
        return excerpt(row.text)
    if what == "major_premises":
        return excerpt(row.premises.major)
    return f"{excerpt(row.premises.major)} → {excerpt(row.premises.conclusion)}"


def _near(index: TextIndex, name: str, other: str, on_probe: OnProbe | None) -> dict[str, tuple[str, Match]]:
    here, there = index.groups[name], index.groups[other]
    return index.nearest([text for text in here if text not in there], there, on_probe)


def _places(index: TextIndex, text: str, names: tuple[str, str], what: str) -> dict[str, Any]:
    rows = {name: index.groups[name][text] for name in names}
    return {"text": sample(rows[names[0]][0], what)} | {name: [row.place for row in rows[name]] for name in names}


def _near_pairs(
    index: TextIndex, near: Mapping[str, Mapping[str, tuple[str, Match]]], names: tuple[str, str], what: str
) -> list[dict[str, Any]]:
    """Each pair once, whichever side found it, the most similar first."""
    pairs: dict[tuple[str, str], float] = {}
    for name, matches in near.items():
        for probe, (target, match) in matches.items():
            pairs[(probe, target) if name == names[0] else (target, probe)] = match.similarity
    return [
        {"similarity": similarity}
        | {name: _one(index.groups[name][text], what) for name, text in zip(names, texts, strict=True)}
        for texts, similarity in sorted(pairs.items(), key=lambda item: -item[1])
    ]


def _one(rows: Rows, what: str) -> dict[str, Any]:
    return {"text": sample(rows[0], what), "rows": [row.place for row in rows]}

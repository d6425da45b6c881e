"""Rows that would leak into each other: groups that share a question or a major premise, exactly or nearly.

A model that has seen one row of a group knows something about the others, whichever split they stand in. Groups are
connected components, so a chain of likenesses is one group.
"""

import hashlib
from collections.abc import Sequence

import pandas as pd

from soundmind_pipeline.problems.near import DisjointSets, ShingleIndex
from soundmind_pipeline.problems.published.premises import normal_form

_TRIPLET = ["major_premise", "minor_premise", "conclusion"]


def assign_leak_groups(rows: pd.DataFrame) -> pd.DataFrame:
    """A copy of ``rows`` in which every ``leak_group`` is filled; groups that are given stay as they are.

    Two rows are linked if their questions or their major premises are equal in normal form or nearly so, as the audit
    counts them: the word shingles of the questions' triplets (of the prompts, where there is none) or of the major
    premises have a Jaccard similarity of at least ``near.THRESHOLD``. Rows that carry the same group are linked too.

    Args:
        rows: Text columns of the sample table, all splits together; ``user_content`` may be null where a row has its
            triplet.

    Returns:
        The rows with ``leak_group``: what the row or one linked to it carries, else 16 hex digits, the same for the
        same texts in any order.
    """
    if rows["leak_group"].notna().all():
        return rows.copy()
    contents = _contents(rows)
    questions = [normal_form(text) for text in rows["user_content"].fillna(pd.Series(contents, index=rows.index))]
    majors = [None if pd.isna(text) else normal_form(text) for text in rows["major_premise"]]
    given = [None if pd.isna(group) else str(group) for group in rows["leak_group"]]
    sets = DisjointSets(len(rows))
    _link_equal(sets, given)
    for keys, texts in ((questions, contents), (majors, majors)):
        _link_equal(sets, keys)
        _link_near(sets, keys, texts)
    names = {}
    for root, places in sets.members().items():
        groups = [group for place in places if (group := given[place])]
        names[root] = min(groups) if groups else _name(min(questions[place] for place in places))
    filled = [group or names[sets.find(place)] for place, group in enumerate(given)]
    return rows.assign(leak_group=pd.Series(filled, index=rows.index, dtype=rows["leak_group"].dtype))


def _contents(rows: pd.DataFrame) -> list[str]:
    """What near matches compare: the triplet without the wording around it, or the whole prompt."""
    triplets = rows[_TRIPLET].fillna("").agg("\n".join, axis=1)
    return triplets.where(rows["conclusion"].notna(), rows["user_content"].fillna("")).tolist()


def _link_equal(sets: DisjointSets, keys: Sequence[str | None]) -> None:
    """Link the places that hold the same text; None is like nothing."""
    firsts: dict[str, int] = {}
    for place, key in enumerate(keys):
        if key:
            sets.union(firsts.setdefault(key, place), place)


def _link_near(sets: DisjointSets, keys: Sequence[str | None], texts: Sequence[str | None]) -> None:
    """Link the places whose texts are nearly the same; each distinct key is looked at once."""
    places = list({key: place for place, key in enumerate(keys) if key}.values())
    for one, other in ShingleIndex(texts[place] or "" for place in places).linked_pairs():
        sets.union(places[one], places[other])


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

"""Relational statements: quantifier scope and inclusion of relations, in small groups.

A countermodel found here is checked by evaluating it. That none exists among groups of two is no proof by itself: a
relational claim is labelled entailed only with a derivation, whose two rules hold in groups of every size:

* *monotone*: the quantifier prefix Q of R, and R within S, give Q of S;
* *weaken*: ∃y∀x gives ∀x∃y (one and the same y will do for every x).

:func:`..certificates.certify` refuses a problem that has neither.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from soundmind_pipeline.problems.verified.wide.statements import Statement

Pairs = frozenset[tuple[int, int]]

WEAKER: Final = {"one_by_all": "every_some", "one_to_all": "every_by_some"}
"""What a scope entails about the same relation, and the scopes in it never give back."""

GROUP_SIZE: Final = 2
_ALL_PAIRS: Final = [(x, y) for x in range(GROUP_SIZE) for y in range(GROUP_SIZE)]


class Group(NamedTuple):
    """A model: how many members, and which pairs of them each relation holds of."""

    size: int
    pairs: tuple[Pairs, ...]


def holds(statement: Statement, group: Group) -> bool:
    """The truth of a relational statement in a group."""
    term, members = statement.terms[0], range(group.size)
    relation = group.pairs[term.atom]
    match statement.kind:
        case "every_some":
            truth = all(any((x, y) in relation for y in members) for x in members)
        case "one_by_all":
            truth = any(all((x, y) in relation for x in members) for y in members)
        case "one_to_all":
            truth = any(all((x, y) in relation for y in members) for x in members)
        case "every_by_some":
            truth = all(any((x, y) in relation for x in members) for y in members)
        case "within":
            truth = relation <= group.pairs[statement.terms[1].atom]
        case _:
            raise ValueError(f"{statement.kind} is not relational")
    return truth == term.positive


def find_countermodel(premises: Sequence[Statement], claim: Statement, relations: int) -> Group | None:
    """A group of two in which the premises hold and ``claim`` does not, or None.

    Relations that share no premise with the claim, directly or through others, hold of every pair: no affirmative
    statement about such a relation can then be false.
    """
    relevant = _connected(premises, claim)
    core = [premise for premise in premises if premise.atoms <= relevant]
    core.sort(key=lambda premise: (premise.kind, [term.atom for term in premise.terms]))
    found = _search(tuple(core), claim, tuple(sorted(relevant)))
    if found is None:
        return None
    everything = frozenset(_ALL_PAIRS)
    return Group(GROUP_SIZE, tuple(found.get(index, everything) for index in range(relations)))


def _connected(premises: Sequence[Statement], claim: Statement) -> frozenset[int]:
    """The relations that the premises tie to the claim's."""
    relevant = claim.atoms
    while True:
        wider = relevant.union(*(premise.atoms for premise in premises if premise.atoms & relevant))
        if wider == relevant:
            return relevant
        relevant = wider


@lru_cache(maxsize=4096)
def _search(
    premises: tuple[Statement, ...], claim: Statement, relations: tuple[int, ...]
) -> Mapping[int, Pairs] | None:
    """The first countermodel over ``relations``; few patterns occur, so the answers are kept."""
    for chosen in itertools.product(tuple(_relations()), repeat=len(relations)):
        by_index = dict(zip(relations, chosen, strict=True))
        group = Group(GROUP_SIZE, tuple(by_index.get(index, frozenset()) for index in range(max(relations) + 1)))
        if all(holds(premise, group) for premise in premises) and not holds(claim, group):
            return by_index
    return None


def _relations() -> Iterator[Pairs]:
    """Every relation on the group."""
    for size in range(len(_ALL_PAIRS) + 1):
        yield from map(frozenset, itertools.combinations(_ALL_PAIRS, size))

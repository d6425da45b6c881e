"""The 256 categorical syllogisms: four figures, four kinds of statement in each of three places.

Atom 0 is the minor term S, 1 the middle term M, 2 the major term P. The claim is about S and P in that order.

====== ============= =============
figure major premise minor premise
====== ============= =============
1      M – P         S – M
2      P – M         S – M
3      M – P         M – S
4      P – M         M – S
====== ============= =============
"""

import itertools
from collections import Counter
from functools import cache
from typing import Final, NamedTuple

from soundmind_pipeline.problems.verified.wide import categorical
from soundmind_pipeline.problems.verified.wide.statements import Statement, statement

KINDS: Final = {"A": "all", "E": "no", "I": "some", "O": "some_not"}
FIGURES: Final = {1: ((1, 2), (0, 1)), 2: ((2, 1), (0, 1)), 3: ((1, 2), (1, 0)), 4: ((2, 1), (1, 0))}
S, M, P = 0, 1, 2


class Mood(NamedTuple):
    """One syllogism: the letters of major premise, minor premise and claim, and the figure."""

    letters: str
    figure: int

    @property
    def premises(self) -> tuple[Statement, Statement]:
        """Major and minor premise."""
        major, minor = FIGURES[self.figure]
        return statement(KINDS[self.letters[0]], *major), statement(KINDS[self.letters[1]], *minor)

    @property
    def claim(self) -> Statement:
        """The conclusion about S and P."""
        return statement(KINDS[self.letters[2]], S, P)


MOODS: Final = tuple(
    Mood("".join(letters), figure) for letters in itertools.product("AEIO", repeat=3) for figure in FIGURES
)


@cache
def is_valid(mood: Mood, existential_import: bool) -> bool:
    """Whether no world has true premises and a false claim: by enumeration of the eight regions."""
    return categorical.find_countermodel(mood.premises, mood.claim, 3, existential_import) is None


def form_of(mood: Mood, existential_import: bool) -> str:
    """``VS``, or the first traditional rule that the mood breaks (codes in :data:`.forms.FORMS`).

    A mood that keeps every rule of quality and distribution and yet is not valid asks for existential import.
    """
    if is_valid(mood, existential_import):
        return "VS"
    major, minor, claim = list(mood.letters)
    negative = [letter in "EO" for letter in (major, minor)]
    if all(negative):
        return "EP"
    if any(negative) and claim in "AI":
        return "AN"
    if not any(negative) and claim in "EO":
        return "NA"
    distributed = {S: 0, M: 0, P: 0}
    for letter, (subject, predicate) in zip((major, minor), FIGURES[mood.figure], strict=True):
        distributed[subject] += letter in "AE"
        distributed[predicate] += letter in "EO"
    if not distributed[M]:
        return "UM"
    if claim in "EO" and not distributed[P]:
        return "IA"
    if claim in "AE" and not distributed[S]:
        return "II"
    return "EF"


@cache
def mood_weights(existential_import: bool, matched: bool) -> dict[str, dict[Mood, float]]:
    """Form to mood to relative weight; the weights of the valid moods sum to 1, and those of the others too.

    Args:
        existential_import: Whether every class has a member.
        matched: Keep only triples of letters that are valid in one figure and invalid in another, and weigh both
            sides alike, so that the letters tell nothing about the label. Otherwise every mood weighs the same.
    """
    validity = {mood: is_valid(mood, existential_import) for mood in MOODS}
    per_letters = Counter((mood.letters, valid) for mood, valid in validity.items())
    kept = [mood for mood in MOODS if not matched or all(per_letters[mood.letters, valid] for valid in (True, False))]
    raw = {mood: 1 / per_letters[mood.letters, validity[mood]] if matched else 1.0 for mood in kept}
    totals = {valid: sum(raw[mood] for mood in kept if validity[mood] == valid) for valid in (True, False)}
    weights: dict[str, dict[Mood, float]] = {}
    for mood in kept:
        weights.setdefault(form_of(mood, existential_import), {})[mood] = raw[mood] / totals[validity[mood]]
    return weights

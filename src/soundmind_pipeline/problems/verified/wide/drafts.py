"""Drafts: the bare logic of a problem of each form, over numbered atoms, before it gets words and distractors.

A drafter takes the form, the size and a random stream. Signs come last, by renaming atoms to their negations
throughout, which changes no entailment: the texts of valid forms and fallacies have the same signs.
"""

import random
from collections.abc import Callable
from typing import Final, NamedTuple

from soundmind_pipeline.problems.verified.logic import Literal
from soundmind_pipeline.problems.verified.wide.relational import WEAKER
from soundmind_pipeline.problems.verified.wide.statements import SCOPES, Statement, fact, statement
from soundmind_pipeline.problems.verified.wide.syllogisms import mood_weights


class Draft(NamedTuple):
    """Premises and natural claim over atoms 0 to ``atoms`` − 1.

    Attributes:
        majors: The premises but one.
        minor: The remaining premise.
        claim: The natural claim.
        atoms: How many atoms there are.
        stand_in: An atom that a careless reader takes for another, as (atom, the other), or None.
    """

    majors: tuple[Statement, ...]
    minor: Statement
    claim: Statement
    atoms: int
    stand_in: tuple[int, int] | None = None


class Options(NamedTuple):
    """What the drafter of syllogisms has to know of the parameters."""

    existential_import: bool
    matched_moods: bool


def draft(family: str, form: str, size: int, options: Options, rng: random.Random) -> Draft:
    """The logic of one problem."""
    if family == "syllogism":
        return _syllogism(form, options, rng)
    return _DRAFTERS[family](form, size, rng)


def negate_sides(bare: Draft, alike: bool, rng: random.Random) -> Draft:
    """The same with atoms of the compound premises renamed to their negations: all (``alike``), or one and up.

    A stand-in goes with the atom that it stands in for.
    """
    atoms = sorted({t.atom for major in (*bare.majors, bare.minor) if major.kind != "fact" for t in major.terms})
    if bare.stand_in is not None:
        atoms = [atom for atom in atoms if atom != bare.stand_in[0]]
    flipped = set(atoms) if alike else {atom for atom in atoms if rng.random() < 0.5} or {rng.choice(atoms)}
    if bare.stand_in is not None and bare.stand_in[1] in flipped:
        flipped.add(bare.stand_in[0])

    def rename(said: Statement) -> Statement:
        return Statement(said.kind, tuple(Literal(t.atom, t.positive != (t.atom in flipped)) for t in said.terms))

    majors = tuple(rename(major) for major in bare.majors)
    return Draft(majors, rename(bare.minor), rename(bare.claim), bare.atoms, bare.stand_in)


def _conditional(form: str, size: int, rng: random.Random) -> Draft:
    given, then = {"MP": (0, 1), "MT": (1, 0), "AC": (1, 0), "DA": (0, 1)}[form]
    positive = form in ("MP", "AC")
    return Draft((statement("if", 0, 1),), fact(given, positive), fact(then, positive), 2)


def _biconditional(form: str, size: int, rng: random.Random) -> Draft:
    given, positive = rng.randrange(2), rng.random() < 0.5
    claim = fact(1 - given, positive)
    if form == "BC":
        return Draft((statement("iff", 0, 1),), fact(given, positive), claim, 2)
    return Draft((statement("iff", 0, 1),), fact(2, positive), claim, 3, (2, given))


def _chain(form: str, size: int, rng: random.Random) -> Draft:
    links = [statement("if", link, link + 1) for link in range(size)]
    if form in ("HS", "HC"):
        ends = (0, size) if form == "HS" else (size, 0)
        return Draft(tuple(links[:-1]), links[-1], statement("if", *ends), size + 1)
    forward = form in ("CF", "CI") or (form == "BL" and rng.random() < 0.5)
    given, then = (0, size) if forward else (size, 0)
    if form == "BL":
        turned = rng.randrange(size)
        links[turned] = statement("if", turned + 1, turned)
    positive = forward if form in ("CF", "CB", "BL") else not forward
    return Draft(tuple(links), fact(given, positive), fact(then, positive), size + 1)


def _disjunction(form: str, size: int, rng: random.Random) -> Draft:
    *given, then = rng.sample(range(size), size)
    stand_in = None
    if form in ("XO", "NX"):
        positive = rng.random() < 0.5
        [settled] = given
        stand_in = (2, settled) if form == "NX" else None
        minor = fact(2 if stand_in else settled, positive)
        return Draft((statement("xor", 0, 1),), minor, fact(then, not positive), 3 if stand_in else 2, stand_in)
    facts = [fact(atom, False) for atom in given]
    if form == "AD":
        facts[-1] = fact(given[-1], True)
    elif form == "PD":
        stand_in = (size, given[-1])
        facts[-1] = fact(size, False)
    rng.shuffle(facts)
    majors = (statement("or", *range(size)), *facts[:-1])
    return Draft(majors, facts[-1], fact(then, form != "AD"), size + (form == "PD"), stand_in)


def _dilemma(form: str, size: int, rng: random.Random) -> Draft:
    horns = [statement("if", atom, size) for atom in range(size)]
    if form == "CD":
        return Draft(tuple(horns), statement("or", *range(size)), fact(size), size + 1)
    bad = rng.randrange(size)
    if rng.random() < 0.5:
        horns[bad] = statement("if", size, bad)
        return Draft(tuple(horns), statement("or", *range(size)), fact(size), size + 1)
    horns[bad] = statement("if", bad, size + 1)
    return Draft(tuple(horns), statement("or", *range(size)), fact(size), size + 2, (size + 1, size))


def _syllogism(form: str, options: Options, rng: random.Random) -> Draft:
    weights = mood_weights(*options)[form]
    [mood] = rng.choices(list(weights), list(weights.values()))
    major, minor = mood.premises
    return Draft((major,), minor, mood.claim, 3)


def _scope(form: str, size: int, rng: random.Random) -> Draft:
    inclusions = [statement("within", link, link + 1) for link in range(size)]
    strong = rng.choice(tuple(WEAKER))
    before, after = {"SW": (strong, WEAKER[strong]), "SS": (WEAKER[strong], strong)}.get(form, ("", ""))
    if form in ("SK", "SC"):
        before = after = rng.choice(SCOPES)
    if form == "SC":
        turned = rng.randrange(size)
        inclusions[turned] = statement("within", turned + 1, turned)
        if rng.random() < 0.2:
            # As often as a weaker scope is rightly drawn, so that weakening tells nothing about the label.
            before, after = strong, WEAKER[strong]
    return Draft((statement(before, 0), *inclusions[1:]), inclusions[0], statement(after, size), size + 1)


_DRAFTERS: Final[dict[str, Callable[[str, int, random.Random], Draft]]] = {
    "conditional": _conditional,
    "biconditional": _biconditional,
    "chain": _chain,
    "disjunction": _disjunction,
    "dilemma": _dilemma,
    "scope": _scope,
}

"""Drawing whole problems: a draft of the wanted form and level, words that belong to the split, distractors, order."""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from soundmind_pipeline.problems.params import WideParams
from soundmind_pipeline.problems.verified.logic import Literal
from soundmind_pipeline.problems.verified.wide.argument import Argument
from soundmind_pipeline.problems.verified.wide.certificates import theory_of
from soundmind_pipeline.problems.verified.wide.drafts import Draft, Options, draft, negate_sides
from soundmind_pipeline.problems.verified.wide.forms import FORMS
from soundmind_pipeline.problems.verified.wide.statements import SCOPES, Statement
from soundmind_pipeline.problems.verified.wide.syllogisms import mood_weights

_WITHOUT_SIGNS: Final = ("syllogism", "scope")
_TRIES: Final = 200
"""Draws of words before a split is taken to be empty; the rarest split by default takes 10 on average."""


class Structure(NamedTuple):
    """What may be chosen freely within a form; it fixes the difficulty."""

    size: int
    negated: bool
    distractors: int


def form_weights(family: str, valid: bool, wide: WideParams) -> dict[str, float]:
    """The forms of ``family`` of one validity and their relative weights; only a form that can be drawn is there."""
    forms = {form: shape.weight for form, shape in FORMS[family].items() if shape.valid == valid}
    if family != "syllogism":
        return forms
    moods = mood_weights(wide.existential_import, wide.matched_moods)
    return {form: sum(moods[form].values()) for form in forms if form in moods}


def kinds_of(family: str, form: str) -> tuple[str, ...]:
    """The kinds of claim that a form can have: the contradictory of an invalid syllogism's claim may be entailed."""
    return ("natural",) if family == "syllogism" and not FORMS[family][form].valid else ("natural", "opposite")


def levels_of(family: str, form: str, wide: WideParams) -> dict[int, list[Structure]]:
    """The structures of a form by the difficulty they come to."""
    shape = FORMS[family][form]
    sizes = range(shape.sizes[0], shape.sizes[1] + 1)
    signs = (False, True) if wide.negated_sides != "none" and family not in _WITHOUT_SIGNS else (False,)
    levels: dict[int, list[Structure]] = {}
    for structure in itertools.starmap(Structure, itertools.product(sizes, signs, range(wide.max_distractors + 1))):
        level = 1 + shape.hardness + structure.size - shape.sizes[0] + structure.negated + structure.distractors
        levels.setdefault(level, []).append(structure)
    return levels


def draw_argument(
    cell: tuple[str, str, str],
    structure: Structure,
    wide: WideParams,
    belongs: Callable[[tuple[str, ...]], bool],
    rng: random.Random,
) -> Argument | None:
    """One problem.

    Args:
        cell: Family, form, kind of claim.
        structure: Size, signs, number of distractors.
        wide: Words and options.
        belongs: Whether the split may use a problem about these core words.
        rng: The split's random stream.

    Returns:
        The problem; None if no choice of words was found that belongs to the split.
    """
    family, form, kind = cell
    bare = draft(family, form, structure.size, Options(wide.existential_import, wide.matched_moods), rng)
    if structure.negated:
        bare = negate_sides(bare, wide.negated_sides == "alike", rng)
    theory = theory_of(bare.claim)
    place = rng.choice(wide.places) if theory == "relational" else ""
    for _ in range(_TRIES):
        words = _draw_words(theory, bare, wide, rng)
        if belongs(_key(bare, words, place)):
            break
    else:
        return None
    extras = list(itertools.islice(_distractors(theory, bare.atoms, words, wide, rng), structure.distractors))
    order = [*bare.majors, bare.minor, *extras]
    places = rng.sample(range(len(order)), len(order))
    core = len(order) - len(extras)
    return Argument(
        family=family,
        form=form,
        words=tuple(words),
        place=place,
        premises=tuple(order[index] for index in places),
        minor=places.index(core - 1),
        distractors=tuple(sorted(places.index(index) for index in range(core, len(order)))),
        claim=bare.claim if kind == "natural" else bare.claim.opposite,
        claim_kind=kind,
        existential_import=wide.existential_import and theory == "categorical",
        wording=rng.getrandbits(32),
    )


def _key(bare: Draft, words: list[tuple[str, ...]], place: str) -> tuple[str, ...]:
    """What :attr:`.argument.Argument.core_words` will be."""
    atoms = bare.claim.atoms.union(bare.minor.atoms, *(major.atoms for major in bare.majors))
    core = [" ".join(words[atom]) for atom in atoms]
    return tuple(sorted([*core, place] if place else core))


def _draw_words(theory: str, bare: Draft, wide: WideParams, rng: random.Random) -> list[tuple[str, ...]]:
    """Words for the atoms of a draft; a stand-in shares the name or the adjective of the atom it stands in for."""
    if theory != "propositional":
        lexicon = wide.classes if theory == "categorical" else wide.verbs
        return [(word,) for word in rng.sample(lexicon, bare.atoms)]
    names, adjectives = rng.choices(wide.names, k=bare.atoms), rng.sample(wide.adjectives, bare.atoms)
    words: list[tuple[str, ...]] = [*zip(names, adjectives, strict=True)]
    if bare.stand_in is not None:
        atom, other = bare.stand_in
        name, adjective = words[other]
        if rng.random() < 0.5:
            words[atom] = (rng.choice([n for n in wide.names if n != name]), adjective)
        else:
            words[atom] = (name, words[atom][1])
    return words


def _distractors(
    theory: str, first: int, words: list[tuple[str, ...]], wide: WideParams, rng: random.Random
) -> Iterator[Statement]:
    """Irrelevant premises about fresh atoms, numbered from ``first``; their words are appended to ``words``."""
    atom = first
    while True:
        match theory:
            case "propositional":
                kind = rng.choice(("fact", "if", "if", "iff", "or", "xor"))
            case "categorical":
                kind = rng.choice(("all", "no", "some", "some_not"))
            case _:
                kind = rng.choice(("within", *SCOPES))
        count = 1 if kind in ("fact", *SCOPES) else 2
        for _ in range(count):
            words.append(_fresh_words(theory, words, wide, rng))
        signs = [theory != "propositional" or rng.random() < 0.7 for _ in range(count)]
        yield Statement(kind, tuple(Literal(atom + index, sign) for index, sign in enumerate(signs)))
        atom += count


def _fresh_words(theory: str, words: list[tuple[str, ...]], wide: WideParams, rng: random.Random) -> tuple[str, ...]:
    """Words that no atom of the problem has yet; persons and qualities may well occur in another combination."""
    if theory != "propositional":
        lexicon = wide.classes if theory == "categorical" else wide.verbs
        return (rng.choice([word for word in lexicon if (word,) not in words]),)
    names = [name for name, _ in words]
    while True:
        # Half of the time about somebody whom the problem is about already.
        name = rng.choice(names) if rng.random() < 0.5 else rng.choice(wide.names)
        fresh = (name, rng.choice(wide.adjectives))
        if fresh not in words:
            return fresh

"""The question of a wide problem in words: the same problem always gives the same text, by its ``wording`` seed."""

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from soundmind_pipeline.problems.verified.logic import Literal
from soundmind_pipeline.problems.verified.wide import phrases
from soundmind_pipeline.problems.verified.wide.argument import Argument
from soundmind_pipeline.problems.verified.wide.certificates import theory_of
from soundmind_pipeline.problems.verified.wide.statements import Statement

_VOWELS: Final = "aeiou"


class Texts(NamedTuple):
    """A problem in words: sentences, and the question made of them."""

    major_premise: str
    minor_premise: str
    conclusion: str
    question: str


@lru_cache(maxsize=64)
def texts_of(argument: Argument) -> Texts:
    """Premises, claim and question of one problem, in its own wording."""
    rng = random.Random(argument.wording)
    clauses = [_premise(argument, premise, rng) for premise in argument.premises]
    claim = say(argument, argument.claim, rng)
    sentences = [_sentence(clauses[0])]
    sentences += [_sentence(rng.choice(phrases.FOLLOWERS) + clause) for clause in clauses[1:]]
    if theory_of(argument.claim) == "categorical":
        sentences.append(phrases.IMPORT[argument.existential_import])
    frame = rng.choice(phrases.FRAMES)
    return Texts(
        " ".join(_sentence(clause) for place, clause in enumerate(clauses) if place != argument.minor),
        _sentence(clauses[argument.minor]),
        _sentence(claim),
        frame.format(premises=" ".join(sentences), claim=claim),
    )


def say(argument: Argument, said: Statement, rng: random.Random | None = None) -> str:
    """A statement as a clause: in the plain phrase, or in any that ``rng`` picks."""
    theory = theory_of(said)
    if theory == "categorical":
        return _say_categorical(argument, said, rng)
    if theory == "relational":
        return _say_relational(argument, said, rng)
    clauses = [say_literal(argument, term) for term in said.terms]
    if said.kind == "fact":
        return clauses[0]
    if said.kind == "or":
        choices = phrases.OR_PAIR if len(clauses) == 2 else phrases.OR_TERMS
        return _pick(choices, rng).format(a=clauses[0], b=clauses[-1], list="; ".join(clauses))
    denied = say_literal(argument, said.terms[0].opposite)
    return _pick(phrases.COMPOUND[said.kind], rng).format(a=clauses[0], b=clauses[1], na=denied)


def say_literal(argument: Argument, literal: Literal) -> str:
    """A literal about a person, or in a categorical problem about someone unnamed."""
    words = argument.words[literal.atom]
    if theory_of(argument.claim) == "categorical":
        return f"they are {with_article(words[0])}" if literal.positive else f"they are not {with_article(words[0])}"
    template = phrases.AFFIRMED if literal.positive else phrases.DENIED
    return template.format(name=words[0].capitalize(), adjective=words[1])


def with_article(noun: str) -> str:
    """A noun after a or an."""
    return f"an {noun}" if noun[0] in _VOWELS else f"a {noun}"


def past(verb: str) -> str:
    """The participle of a regular verb."""
    return f"{verb}d" if verb.endswith("e") else f"{verb}ed"


def _say_categorical(argument: Argument, said: Statement, rng: random.Random | None) -> str:
    subject, predicate = (argument.words[term.atom][0] for term in said.terms)
    template = _pick(phrases.CATEGORICAL[said.kind], rng)
    return template.format(s=subject, p=predicate, a_s=with_article(subject), a_p=with_article(predicate))


def _say_relational(argument: Argument, said: Statement, rng: random.Random | None) -> str:
    verb, other = (argument.words[said.terms[index].atom][0] for index in (0, -1))
    gerund = (other.removesuffix("e") if other.endswith("e") else other) + "ing"
    template = _pick(phrases.RELATIONAL[said.kind], rng)
    clause = template.format(v=verb, w=other, v_ed=past(verb), w_ing=gerund, place=argument.place)
    return clause if said.terms[0].positive else _pick(phrases.DENIAL, rng).format(a=clause)


def _premise(argument: Argument, premise: Statement, rng: random.Random) -> str:
    """A premise as it is told; facts may be introduced as such."""
    clause = say(argument, premise, rng)
    return rng.choice(phrases.FACT).format(a=clause) if premise.kind == "fact" else clause


def _pick(choices: Sequence[str], rng: random.Random | None) -> str:
    return choices[0] if rng is None else rng.choice(choices)


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."

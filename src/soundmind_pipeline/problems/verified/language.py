"""Every word of a verified problem: the question and the chain of thought. Change the wording here only.

Two rules keep the nano problem learnable. Look-up is plain induction: the word after an adjective in the major premise
tells which side it is on, and the chain of thought writes that word right after repeating the adjective. And the name
of the pattern is a token of its own, written before the teacher's branch point, so the branch hangs on one token.
"""

import re
from typing import Final

from soundmind_pipeline.problems.verified.families import Problem
from soundmind_pipeline.problems.verified.logic import Literal

LITERAL: Final = "{name} is {adjective}"
NEGATED_LITERAL: Final = "{name} is not {adjective}"

MAJOR: Final[dict[str, str]] = {
    "if_then": "if {first} then {second}",
    "only_if": "{first} only if {second}",
    "reversed_if": "{first} if {second}",
    "either_or": "either {first} or {second}",
    "not_both": "not both {first} and {second}",
}

QUESTION: Final = "{major} but {minor} so {claim}."

PATTERN: Final[dict[str, str]] = {
    "MP": "ponens",
    "MT": "tollens",
    "AC": "converse",
    "DA": "inverse",
    "DS": "elimination",
    "AD": "inclusion",
    "CS": "exclusion",
    "DC": "omission",
}

REASONING: Final = "{question} {look_up} gives {drawn}. claim {claim}. {judgement}"
LOOK_UP: Final = "find {adjective} {after}, {sign}, {pattern}."
AFFIRMED: Final = "affirmed"
DENIED: Final = "denied"
NOTHING: Final = "nothing"
FOLLOWS: Final = "it follows."
DOES_NOT_FOLLOW: Final = "it does not follow."

RESPONSE: Final = "<think> {reasoning} </think> Answer: {verdict}."
ENTAILED: Final = "entailed"
NOT_ENTAILED: Final = "not entailed"

_TEMPLATES: Final = (
    *(LITERAL, NEGATED_LITERAL, QUESTION, REASONING, LOOK_UP, RESPONSE),
    *(AFFIRMED, DENIED, NOTHING, FOLLOWS, DOES_NOT_FOLLOW, ENTAILED, NOT_ENTAILED),
    *MAJOR.values(),
    *PATTERN.values(),
)
WORDS: Final = frozenset(re.findall("[a-z]+", re.sub(r"\{\w+\}", " ", " ".join(_TEMPLATES)).lower()))
"""The words of the wording itself; a name or an adjective must not be one of them."""


def say(problem: Problem, literal: Literal) -> str:
    """A literal in words, such as "anna is not rich"."""
    atom = problem.atoms[literal.atom]
    template = LITERAL if literal.positive else NEGATED_LITERAL
    return template.format(name=atom.name, adjective=atom.adjective)


def major_premise(problem: Problem) -> str:
    """The major premise in words."""
    first, second = (say(problem, Literal(index, sign)) for index, sign in enumerate(problem.major))
    return MAJOR[problem.family].format(first=first, second=second)


def minor_premise(problem: Problem) -> str:
    """The minor premise in words."""
    return say(problem, problem.minor)


def conclusion(problem: Problem) -> str:
    """The claim in words."""
    return say(problem, problem.claim)


def question(problem: Problem) -> str:
    """The colloquial question, which is also what is spoken."""
    return QUESTION.format(major=major_premise(problem), minor=minor_premise(problem), claim=conclusion(problem))


def look_up(problem: Problem) -> str:
    """The step that names the side of the minor premise, its sign, and the pattern this makes."""
    adjective = problem.atoms[problem.minor.atom].adjective
    words = question(problem).split()
    return LOOK_UP.format(
        adjective=adjective,
        after=words[words.index(adjective) + 1],
        sign=AFFIRMED if problem.affirms else DENIED,
        pattern=PATTERN[problem.form],
    )

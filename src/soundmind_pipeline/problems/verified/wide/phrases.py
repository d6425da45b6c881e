"""Every phrase of the wide families. Each list holds ways to say one and the same thing; the first is the plain one.

A phrase must have one reading: disjunctions say whether they are exclusive, scopes do not leave the order of the
quantifiers to the ear. Placeholders: {a}, {b} clauses and {na} the denial of the first; {s}, {p} nouns; {v} verbs.
"""

from typing import Final

AFFIRMED: Final = "{name} is {adjective}"
DENIED: Final = "{name} is not {adjective}"

FACT: Final = (
    "{a}",
    "we know that {a}",
    "it turns out that {a}",
    "it is a fact that {a}",
    "it is true that {a}",
    "it is certain that {a}",
)

COMPOUND: Final[dict[str, tuple[str, ...]]] = {
    "if": (
        "if {a}, then {b}",
        "if {a}, {b}",
        "{b} if {a}",
        "{b}, provided that {a}",
        "{a} only if {b}",
        "unless {na}, {b}",
        "whenever {a}, {b}",
        "assuming that {a}, it follows that {b}",
        "it cannot be that {a} unless {b}",
        "in case {a}, it is certain that {b}",
    ),
    "iff": (
        "{a} if and only if {b}",
        "{a} exactly when {b}",
        "{a} just in case {b}",
        "if {a}, then {b}, and the other way round",
        "either both of these are true or neither is: {a}; {b}",
    ),
    "xor": (
        "exactly one of these is true: {a}; {b}",
        "either {a} or {b}, but not both",
        "one and only one of these is the case: {a}; {b}",
        "{a} or {b}, and never both",
    ),
}

OR_TERMS: Final = (
    "at least one of these is true: {list}",
    "one or more of these is the case: {list}",
    "these are not all false: {list}",
)
OR_PAIR: Final = (*OR_TERMS, "{a} or {b}, or both", "either {a}, or {b}, or both")

CATEGORICAL: Final[dict[str, tuple[str, ...]]] = {
    "all": (
        "all {s}s are {p}s",
        "every {s} is {a_p}",
        "each {s} is also {a_p}",
        "anyone who is {a_s} is {a_p}",
        "only {p}s are {s}s",
        "there are no {s}s that are not {p}s",
    ),
    "no": (
        "no {s}s are {p}s",
        "no {s} is {a_p}",
        "nobody who is {a_s} is {a_p}",
        "there are no {s}s that are {p}s",
        "every {s} is something other than {a_p}",
    ),
    "some": (
        "some {s}s are {p}s",
        "at least one {s} is {a_p}",
        "there is {a_s} who is {a_p}",
        "there are {s}s that are {p}s",
    ),
    "some_not": (
        "some {s}s are not {p}s",
        "at least one {s} is not {a_p}",
        "there is {a_s} who is not {a_p}",
        "not all {s}s are {p}s",
        "not every {s} is {a_p}",
    ),
}

RELATIONAL: Final[dict[str, tuple[str, ...]]] = {
    "every_some": (
        "everyone in the {place} {v}s someone or other in the {place}",
        "for each member of the {place}, there is somebody in the {place} whom they {v}",
        "nobody in the {place} fails to {v} at least one person in the {place}",
    ),
    "one_by_all": (
        "there is one person in the {place} whom everyone in the {place} {v}s",
        "there is somebody in the {place} who is {v_ed} by each member of the {place}",
        "a single person in the {place} is {v_ed} by all of the {place}",
    ),
    "one_to_all": (
        "there is one person in the {place} who {v}s everyone in the {place}",
        "there is somebody in the {place} by whom each member of the {place} is {v_ed}",
        "a single person in the {place} {v}s all of the {place}",
    ),
    "every_by_some": (
        "everyone in the {place} is {v_ed} by someone or other in the {place}",
        "for each member of the {place}, there is somebody in the {place} who {v}s them",
        "nobody in the {place} fails to be {v_ed} by at least one person in the {place}",
    ),
    "within": (
        "whoever in the {place} {v}s a person in the {place} also {w}s that person",
        "anyone in the {place} who {v}s somebody there {w}s them as well",
        "in the {place}, to {v} someone is to {w} them too",
        "nobody in the {place} {v}s a person there without {w_ing} them",
    ),
}

DENIAL: Final = ("it is not the case that {a}", "it is false that {a}")

FOLLOWERS: Final = ("", "", "", "also, ", "besides, ", "moreover, ", "and ", "what is more, ")
"""How a premise that is not the first may be tied to the one before."""

IMPORT: Final = {True: "Every group named here has at least one member.", False: "Any group named here may be empty."}
"""Said in every syllogism, so that its label does not hang on a convention."""

FRAMES: Final = (
    "{premises} So {claim}.",
    "{premises} Therefore, {claim}.",
    "{premises} Does it follow that {claim}?",
    "Suppose the following. {premises} Can we conclude that {claim}?",
    "Here is what I know. {premises} Is it then certain that {claim}?",
    "Listen to this. {premises} A friend of mine concludes that {claim}. Is that sound?",
    "I was told a few things. {premises} Must it be true that {claim}?",
    "I wonder whether it is certain that {claim}. This is what I know. {premises}",
    "Someone claims that {claim}. These are the reasons. {premises} Is that a good argument?",
)

# The chain of thought
REASONING: Final = "{question} Let me think. {body} {judgement}"
STEPS: Final[dict[str, str]] = {
    "suppose": "suppose that {says}",
    "anyone": "take anyone of whom this is true: {says}",
    "witness": "there is someone of whom this is true: {says}",
    "import": "there is someone of whom this is true: {says}",
    "ponens": "since {cited}, {says}",
    "tollens": "since {cited}, it must be that {says}",
    "exclusion": "since {cited}, which rules the other out, {says}",
    "equivalence": "since {cited}, and both stand or fall together, {says}",
    "elimination": "since {cited}, what is left is that {says}",
    "cases": "since {cited}, whichever of them is true, {says}",
    "monotone": "since {cited}, {says}",
    "weaken": "since {cited}, and the same person will do each time, {says}",
}
CITED: Final = ", and since "
OPENED: Final = " and "
REACHED: Final = "hence {natural}."
SAME: Final = "that is the claim."
OPPOSITE: Final = "but the claim is that {claim}."
SLIP: Final = "{slip}: hence {natural}."
CASE: Final = "consider this case: {case}. Then every premise is true, but it is not true that {claim}."
NO_ONE: Final = "there is nobody at all in these groups"
SOMEONE: Final = "there is someone who is {member} and nothing else"
GROUP: Final = "the {place} has two members, one and two, and {pairs}"
PAIR: Final = "{x} {v}s {y}"
NO_PAIR: Final = "nobody {v}s anybody"
MEMBERS: Final = ("one", "two")
FOLLOWS: Final = "It follows."
DOES_NOT_FOLLOW: Final = "It does not follow."

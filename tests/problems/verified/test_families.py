"""Forms, natural claims and labels of every family."""

import itertools

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.verified.families import (
    FALLACIES,
    FAMILIES,
    VALID_FORMS,
    Atom,
    Problem,
    forms_of,
)
from soundmind_pipeline.problems.verified.logic import Literal, entails

ATOMS = (Atom("tom", "happy"), Atom("anna", "rich"))
BOTH = (True, False)


def make(family, minor, claim=None, major=(True, True)):
    return Problem(family, ATOMS, major, Literal(*minor), Literal(*(claim or (1 - minor[0], True))))


# (family, minor premise, form, natural claim); atom 0 is said first. Worked out by hand.
TABLE = [
    ("if_then", (0, True), "MP", (1, True)),
    ("if_then", (1, False), "MT", (0, False)),
    ("if_then", (1, True), "AC", (0, True)),
    ("if_then", (0, False), "DA", (1, False)),
    ("only_if", (0, True), "MP", (1, True)),  # "tom is happy only if anna is rich": being rich is necessary
    ("only_if", (1, False), "MT", (0, False)),
    ("only_if", (1, True), "AC", (0, True)),
    ("only_if", (0, False), "DA", (1, False)),
    ("reversed_if", (1, True), "MP", (0, True)),  # "tom is happy if anna is rich": being rich suffices
    ("reversed_if", (0, False), "MT", (1, False)),
    ("reversed_if", (0, True), "AC", (1, True)),
    ("reversed_if", (1, False), "DA", (0, False)),
    ("either_or", (0, False), "DS", (1, True)),
    ("either_or", (1, False), "DS", (0, True)),
    ("either_or", (0, True), "AD", (1, False)),
    ("either_or", (1, True), "AD", (0, False)),
    ("not_both", (0, True), "CS", (1, False)),
    ("not_both", (1, True), "CS", (0, False)),
    ("not_both", (0, False), "DC", (1, True)),
    ("not_both", (1, False), "DC", (0, True)),
]


@pytest.mark.parametrize(("family", "minor", "form", "natural"), TABLE)
def test_forms_and_natural_claims(family, minor, form, natural):
    problem = make(family, minor, natural)
    assert problem.form == form
    assert problem.natural_claim == Literal(*natural)
    assert problem.claim_kind == "natural"
    assert problem.label == (form in ("MP", "MT", "DS", "CS"))
    assert make(family, minor, (natural[0], not natural[1])).claim_kind == "opposite"


@pytest.mark.parametrize("family", FAMILIES)
def test_natural_claim_is_entailed_exactly_for_valid_forms_and_its_opposite_never(family):
    seen = set()
    for atom, sign, *major in itertools.product((0, 1), BOTH, BOTH, BOTH):
        problem = make(family, (atom, sign), major=tuple(major))
        seen.add(problem.form)
        assert entails(problem.premises, problem.natural_claim) == (problem.form in VALID_FORMS)
        assert not entails(problem.premises, problem.natural_claim.opposite)
        assert problem.is_fallacy == (problem.form in FALLACIES)
    assert seen == set(forms_of(family))


def test_a_negated_major_premise_turns_affirming_round():
    # if tom is not happy then anna is rich; tom is not happy; so anna is rich
    problem = make("if_then", (0, False), (1, True), major=(False, True))
    assert (problem.form, problem.claim_kind, problem.label) == ("MP", "natural", 1)
    # not both tom is happy and anna is not rich; tom is happy; so anna is rich
    problem = make("not_both", (0, True), (1, True), major=(True, False))
    assert (problem.form, problem.claim_kind, problem.label) == ("CS", "natural", 1)


def test_difficulty_counts_denial_fallacy_order_and_negation():
    assert make("if_then", (0, True)).difficulty == 1
    assert make("either_or", (0, False)).difficulty == 2
    assert make("if_then", (0, False)).difficulty == 3
    assert make("only_if", (0, True), major=(False, True)).difficulty == 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"family": "if_then"}',
        make("if_then", (0, True)).to_json().replace("if_then", "iff"),
        make("if_then", (0, True)).to_json().replace('"claim": [1', '"claim": [0'),
        make("if_then", (0, True)).to_json().replace('["tom", "happy"], ', ""),
    ],
)
def test_a_broken_problem_is_refused_by_name(text):
    with pytest.raises(SoundmindError, match="column 'problem'"):
        Problem.from_json(text)

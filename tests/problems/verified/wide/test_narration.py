"""Chains of thought about wide problems: word for word, ending in the label unless the teacher slips."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmind_pipeline.problems.verified.checker import ReasoningCheck, check_reasoning
from soundmind_pipeline.problems.verified.teacher import correct_proof, permitted_proofs, write_proof
from soundmind_pipeline.problems.verified.wide.argument import Argument
from soundmind_pipeline.problems.verified.wide.forms import FORMS
from soundmind_pipeline.problems.verified.wide.statements import Statement, fact, statement
from soundmind_pipeline.problems.verified.wide.wording import texts_of

PERSONS = (("tom", "happy"), ("anna", "rich"), ("peter", "calm"))
CLASSES = (("artist",), ("baker",), ("poet",))
VERBS = (("trust",), ("help",))


def body(argument, drew):
    reasoning = write_proof(argument, drew).reasoning
    opening = texts_of(argument).question + " Let me think. "
    assert reasoning.startswith(opening)
    return reasoning.removeprefix(opening)


def make(family, form, words, premises, claim, kind="natural", place="", existential_import=False):
    return Argument(
        family, form, words, place, premises, len(premises) - 1, (), claim, kind, existential_import, wording=3
    )


CHAIN = (statement("if", 0, 1), statement("if", 1, 2))
CASES = [
    (
        make("chain", "CF", PERSONS, (*CHAIN, fact(0)), fact(2)),
        True,
        "Since if Tom is happy, then Anna is rich, and since Tom is happy, Anna is rich. Since if Anna is rich, "
        "then Peter is calm, and since Anna is rich, Peter is calm. Hence Peter is calm. That is the claim. It "
        "follows.",
    ),
    (
        make("chain", "HS", PERSONS, CHAIN, Statement("if", (fact(0).terms[0], fact(2, False).terms[0])), "opposite"),
        True,
        "Suppose that Tom is happy. Since if Tom is happy, then Anna is rich, and since Tom is happy, Anna is "
        "rich. Since if Anna is rich, then Peter is calm, and since Anna is rich, Peter is calm. Hence if Tom is "
        "happy, then Peter is calm. But the claim is that if Tom is happy, then Peter is not calm. It does not "
        "follow.",
    ),
    (
        make("conditional", "AC", PERSONS, (statement("if", 0, 1), fact(1)), fact(0)),
        False,
        "Consider this case: Tom is not happy, Anna is rich. Then every premise is true, but it is not true that "
        "Tom is happy. It does not follow.",
    ),
    (
        make("conditional", "AC", PERSONS, (statement("if", 0, 1), fact(1)), fact(0)),
        True,
        "The second part of the conditional holds, so the first must hold: hence Tom is happy. That is the claim. "
        "It follows.",
    ),
    (
        make("syllogism", "VS", CLASSES, (statement("no", 1, 2), statement("some", 0, 1)), statement("some_not", 0, 2)),
        True,
        "There is someone of whom this is true: they are an artist and they are a baker. Since no bakers are "
        "poets, and since they are a baker, which rules the other out, they are not a poet. Hence some artists "
        "are not poets. That is the claim. It follows.",
    ),
    (
        make("syllogism", "VS", CLASSES, (statement("no", 1, 2), statement("all", 0, 1)), statement("no", 0, 2)),
        True,
        "Take anyone of whom this is true: they are an artist. Since all artists are bakers, and since they are "
        "an artist, they are a baker. Since no bakers are poets, and since they are a baker, which rules the "
        "other out, they are not a poet. Hence no artists are poets. That is the claim. It follows.",
    ),
    (
        make("syllogism", "EF", CLASSES, (statement("all", 1, 2), statement("all", 0, 1)), statement("some", 0, 2)),
        False,
        "Consider this case: there is nobody at all in these groups. Then every premise is true, but it is not "
        "true that some artists are poets. It does not follow.",
    ),
    (
        make("syllogism", "UM", CLASSES, (statement("all", 2, 1), statement("some", 0, 1)), statement("some", 0, 2)),
        False,
        "Consider this case: there is someone who is an artist and a baker and nothing else. Then every premise "
        "is true, but it is not true that some artists are poets. It does not follow.",
    ),
    (
        make(
            "scope",
            "SS",
            VERBS,
            (statement("every_some", 0), statement("within", 0, 1)),
            statement("one_by_all", 1),
            place="club",
        ),
        False,
        "Consider this case: the club has two members, one and two, and one trusts one, two trusts two, one helps "
        "one, two helps two. Then every premise is true, but it is not true that there is one person in the club "
        "whom everyone in the club helps. It does not follow.",
    ),
]


@pytest.mark.parametrize(("argument", "drew", "text"), CASES)
def test_word_for_word(argument, drew, text):
    assert body(argument, drew) == text


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), existential_import=st.booleans())
def test_the_correct_proof_ends_in_the_label_and_the_checker_takes_what_the_teacher_writes(
    draw_any, seed, existential_import
):
    problem = draw_any(seed, existential_import=existential_import)
    right, *slips = permitted_proofs(problem)
    assert right == correct_proof(problem)
    assert (right.verdict == "entailed") == bool(problem.label)
    assert check_reasoning(problem.to_json(), right.response) == ReasoningCheck(True, True, True)
    assert len(slips) == problem.is_fallacy
    for slip in slips:
        assert check_reasoning(problem.to_json(), slip.response) == ReasoningCheck(True, True, False)
        assert (slip.verdict == "entailed") == (problem.claim_kind == "natural")
    other = right.response.replace("Let me think.", "Let me think again.")
    assert check_reasoning(problem.to_json(), other) == ReasoningCheck(True, False, False)


def test_an_entailed_claim_is_never_refuted():
    entailed = CASES[0][0]
    with pytest.raises(ValueError, match="cannot be refuted"):
        write_proof(entailed, drew=False)


def test_every_fallacy_has_a_slip_and_no_valid_form_has():
    for forms in FORMS.values():
        for shape in forms.values():
            assert bool(shape.slip) == (not shape.valid)

"""The checker takes the teacher's texts and nothing that was tampered with."""

import pytest

from soundmind_pipeline.problems.verified.checker import ReasoningCheck, check_reasoning
from soundmind_pipeline.problems.verified.families import Atom, Problem
from soundmind_pipeline.problems.verified.logic import Literal
from soundmind_pipeline.problems.verified.teacher import correct_proof, write_proof

ATOMS = (Atom("tom", "happy"), Atom("anna", "rich"))
TOLLENS = Problem("if_then", ATOMS, (True, True), Literal(1, False), Literal(0, False))
CONVERSE = Problem("only_if", ATOMS, (True, True), Literal(1, True), Literal(0, True))

ALL = ReasoningCheck(restated=True, valid=True, correct=True)
SLIP = ReasoningCheck(restated=True, valid=True, correct=False)
RESTATED_ONLY = ReasoningCheck(restated=True, valid=False, correct=False)
NOTHING = ReasoningCheck(restated=False, valid=False, correct=False)


def check(problem, response):
    return check_reasoning(problem.to_json(), response)


def test_both_branches_of_a_fallacy_are_valid_and_one_is_correct():
    assert check(CONVERSE, write_proof(CONVERSE, drew=False).response) == ALL
    assert check(CONVERSE, write_proof(CONVERSE, drew=True).response) == SLIP


def test_a_valid_form_has_one_branch():
    assert check(TOLLENS, write_proof(TOLLENS, drew=True).response) == ALL
    assert check(TOLLENS, write_proof(TOLLENS, drew=False).response) == RESTATED_ONLY


RIGHT = correct_proof(TOLLENS).response
QUESTION = "if tom is happy then anna is rich but anna is not rich so tom is not happy."


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("gives tom is not happy", "gives anna is not happy", RESTATED_ONLY),  # another name
        ("gives tom is not happy", "gives tom is happy", RESTATED_ONLY),  # another sign
        ("find rich but, denied, tollens. ", "", RESTATED_ONLY),  # a step left out
        ("claim tom is not happy. ", "", RESTATED_ONLY),
        ("denied, tollens", "denied, inverse", RESTATED_ONLY),  # another pattern
        ("denied, tollens", "affirmed, tollens", RESTATED_ONLY),
        ("find rich but", "find rich then", RESTATED_ONLY),
        ("it follows.", "it does not follow.", RESTATED_ONLY),
        ("it follows.", "it follows. it follows.", RESTATED_ONLY),  # a step too many
        ("Answer: entailed.", "Answer: not entailed.", RESTATED_ONLY),  # the answer contradicts the reasoning
        ("Answer: entailed.", "", RESTATED_ONLY),
        ("Answer: entailed.", "Answer: entailed or not entailed.", RESTATED_ONLY),
        ("</think>", "", RESTATED_ONLY),  # never closed
        ("<think>", "well <think>", RESTATED_ONLY),
        ("<think>", "", NOTHING),
        (QUESTION, "", NOTHING),
        (QUESTION, QUESTION.replace("tom is happy then", "peter is happy then"), NOTHING),
        (QUESTION, QUESTION.replace("anna is not rich", "anna is rich"), NOTHING),
        (QUESTION, "x" + QUESTION, NOTHING),
        (RIGHT, "", NOTHING),
        (RIGHT, RIGHT.split(" gives")[0], RESTATED_ONLY),  # cut off in the middle
    ],
)
def test_tampering(old, new, expected):
    assert old in RIGHT
    assert check(TOLLENS, RIGHT.replace(old, new, 1)) == expected


@pytest.mark.parametrize(
    "answer", ["Answer: not entailed.", "answer:  NOT-ENTAILED", "\nAnswer: not entailed", "Answer: not entailed.\n"]
)
def test_the_answer_line_is_read_loosely(answer):
    response = correct_proof(CONVERSE).response.replace("Answer: not entailed.", answer)
    assert check(CONVERSE, response) == ALL

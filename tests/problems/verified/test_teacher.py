"""What the fallible teacher writes, and how often it errs."""

import random

import pytest

from soundmind_pipeline.problems.params import FallacyRates
from soundmind_pipeline.problems.verified.families import Atom, Problem
from soundmind_pipeline.problems.verified.logic import Literal
from soundmind_pipeline.problems.verified.teacher import correct_proof, permitted_proofs, teach, write_proof

ATOMS = (Atom("tom", "happy"), Atom("anna", "rich"))
PONENS = Problem("if_then", ATOMS, (True, True), Literal(0, True), Literal(1, True))
CONVERSE = Problem("if_then", ATOMS, (True, True), Literal(1, True), Literal(0, True))
CONVERSE_OPPOSITE = Problem("if_then", ATOMS, (True, True), Literal(1, True), Literal(0, False))


def test_the_texts_word_for_word():
    assert correct_proof(PONENS).response == (
        "<think> if tom is happy then anna is rich but tom is happy so anna is rich. find happy then, affirmed, "
        "ponens. gives anna is rich. claim anna is rich. it follows. </think> Answer: entailed."
    )
    right, slip = permitted_proofs(CONVERSE)
    assert right.reasoning.endswith(
        "find rich but, affirmed, converse. gives nothing. claim tom is happy. it does not follow."
    )
    assert slip.reasoning.endswith(
        "find rich but, affirmed, converse. gives tom is happy. claim tom is happy. it follows."
    )
    assert (right.verdict, slip.verdict) == ("not entailed", "entailed")


def test_an_opposite_claim_is_judged_rightly_on_either_branch():
    assert [proof.verdict for proof in permitted_proofs(CONVERSE_OPPOSITE)] == ["not entailed", "not entailed"]
    assert not write_proof(CONVERSE_OPPOSITE, drew=True).response.endswith("Answer: entailed.")


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_the_fallacy_rate_is_kept_and_valid_forms_are_never_touched(rate):
    rates, rng = FallacyRates(AC=rate, DA=0, AD=0, DC=0), random.Random(0)
    slips = sum(teach(CONVERSE, rates, rng.random()).drew for _ in range(2000)) / 2000
    assert slips == pytest.approx(rate, abs=0.035)  # 3.4 standard deviations at rate 0.3
    assert all(
        teach(PONENS, FallacyRates(AC=1, DA=1, AD=1, DC=1), rng.random()) == correct_proof(PONENS) for _ in range(50)
    )

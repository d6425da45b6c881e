"""The wording of questions and of the look-up step."""

import pytest

from soundmind_pipeline.problems.verified import language
from soundmind_pipeline.problems.verified.families import FAMILIES, Atom, Problem
from soundmind_pipeline.problems.verified.logic import Literal

ATOMS = (Atom("tom", "happy"), Atom("anna", "rich"))


@pytest.mark.parametrize(
    ("family", "question", "after_first"),
    [
        ("if_then", "if tom is happy then anna is rich but tom is not happy so anna is rich.", "then"),
        ("only_if", "tom is happy only if anna is rich but tom is not happy so anna is rich.", "only"),
        ("reversed_if", "tom is happy if anna is rich but tom is not happy so anna is rich.", "if"),
        ("either_or", "either tom is happy or anna is rich but tom is not happy so anna is rich.", "or"),
        ("not_both", "not both tom is happy and anna is rich but tom is not happy so anna is rich.", "and"),
    ],
)
def test_question_and_look_up(family, question, after_first):
    problem = Problem(family, ATOMS, (True, True), Literal(0, False), Literal(1, True))
    assert language.question(problem) == question
    assert language.look_up(problem).startswith(f"find happy {after_first}, denied, ")
    about_second = Problem(family, ATOMS, (True, True), Literal(1, True), Literal(0, True))
    assert language.look_up(about_second).startswith("find rich but, affirmed, ")


def test_negated_major_premise():
    problem = Problem("if_then", ATOMS, (False, True), Literal(0, False), Literal(1, True))
    assert language.major_premise(problem) == "if tom is not happy then anna is rich"
    assert language.look_up(problem) == "find happy then, affirmed, ponens."


def test_every_family_has_wording_and_the_words_are_known():
    assert set(language.MAJOR) == set(FAMILIES)
    assert {"if", "then", "but", "nothing", "ponens", "entailed", "think"} <= language.WORDS
    assert not {"name", "adjective", "first", "question", "verdict"} & language.WORDS  # placeholders are no words

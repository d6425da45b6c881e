"""Property-based tests over all problems, whether or not the default mix would make them."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from soundmind_pipeline.problems.verified import language
from soundmind_pipeline.problems.verified.checker import check_reasoning
from soundmind_pipeline.problems.verified.families import FAMILIES, Atom, Problem
from soundmind_pipeline.problems.verified.logic import Literal
from soundmind_pipeline.problems.verified.teacher import correct_proof, permitted_proofs

# The meaning of each family in plain Python, apart from the package's formulas; f and s as they are said.
MEANING = {
    "if_then": lambda f, s: s if f else True,
    "only_if": lambda f, s: not (f and not s),
    "reversed_if": lambda f, s: f if s else True,
    "either_or": lambda f, s: f or s,
    "not_both": lambda f, s: not f or not s,
}


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    names = draw(st.permutations(("tom", "anna", "peter", "julia")))
    adjectives = draw(st.permutations(("happy", "rich", "brave", "hungry")))
    minor = Literal(draw(st.integers(0, 1)), draw(st.booleans()))
    return Problem(
        family=draw(st.sampled_from(FAMILIES)),
        atoms=(Atom(names[0], adjectives[0]), Atom(names[1], adjectives[1])),
        major=(draw(st.booleans()), draw(st.booleans())),
        minor=minor,
        claim=Literal(1 - minor.atom, draw(st.booleans())),
    )


@given(problems())
def test_the_label_is_brute_force_entailment(problem):
    worlds = [
        world
        for world in itertools.product((False, True), repeat=2)
        if MEANING[problem.family](*(value == sign for value, sign in zip(world, problem.major, strict=True)))
        and world[problem.minor.atom] == problem.minor.positive
    ]
    assert worlds  # the premises never contradict each other
    assert problem.label == all(world[problem.claim.atom] == problem.claim.positive for world in worlds)


@given(problems())
def test_json_round_trip(problem):
    assert Problem.from_json(problem.to_json()) == problem


@given(problems(), problems())
def test_the_question_tells_the_whole_problem(one, other):
    if language.question(one) == language.question(other):
        assert one == other


@given(problems())
def test_the_correct_proof_ends_in_the_label(problem):
    assert (correct_proof(problem).verdict == "entailed") == bool(problem.label)


@given(problems())
def test_the_checker_takes_what_the_teacher_writes(problem):
    for proof in permitted_proofs(problem):
        check = check_reasoning(problem.to_json(), proof.response)
        assert check.restated and check.valid
        assert check.correct == (proof == correct_proof(problem))


@settings(max_examples=200)
@given(problems(), st.data())
def test_the_checker_refuses_any_word_exchanged_or_dropped(problem, data):
    words = correct_proof(problem).response.split()
    place = data.draw(st.integers(0, len(words) - 1))
    word = data.draw(st.sampled_from(["", "x", *sorted(set(words) - {words[place]})]))
    tampered = " ".join((*words[:place], word, *words[place + 1 :]))
    check = check_reasoning(problem.to_json(), tampered)
    assert not check.valid and not check.correct


@given(problems(), st.text(max_size=80))
def test_the_checker_never_raises_on_a_response(problem, response):
    check = check_reasoning(problem.to_json(), response)
    assert not check.valid and not check.correct

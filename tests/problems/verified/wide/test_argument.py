"""The JSON of a wide problem: read back, and refused when broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.verified.families import Problem
from soundmind_pipeline.problems.verified.problems import read_problem
from soundmind_pipeline.problems.verified.wide.argument import Argument
from soundmind_pipeline.problems.verified.wide.statements import fact, statement

PERSONS = (("tom", "happy"), ("anna", "rich"))
GOOD = Argument(
    family="conditional",
    form="MP",
    words=PERSONS,
    place="",
    premises=(statement("if", 0, 1), fact(0)),
    minor=1,
    distractors=(),
    claim=fact(1),
    claim_kind="natural",
    existential_import=False,
    wording=0,
)


@given(seed=st.integers(0, 2**32))
def test_json_round_trip(draw_any, seed):
    problem = draw_any(seed)
    assert read_problem(problem.to_json()) == problem


def test_both_kinds_are_told_apart():
    nano = '{"family": "if_then", "atoms": [["tom", "happy"], ["anna", "rich"]], "major": [true, true], '
    nano += '"minor": [0, true], "claim": [1, true]}'
    assert isinstance(read_problem(nano), Problem)
    assert isinstance(read_problem(GOOD.to_json()), Argument)


@pytest.mark.parametrize(
    "change",
    [
        {"family": "sorites"},
        {"form": "VS"},
        {"words": [["tom", "happy"]]},
        {"words": [["tom", "happy"], ["anna"]]},
        {"words": [["tom", "happy"], ["", "rich"]]},
        {"words": 3},
        {"place": None, "words": None},
        {"premises": []},
        {"premises": [["all", [[0, True], [1, True]]]]},
        {"premises": [["if", [[0, True]]]]},
        {"premises": [["or", [[0, True]]]]},
        {"premises": [["all", [[0, True], [1, False]]]], "claim": ["all", [[0, True], [1, True]]]},
        {"premises": [["maybe", [[0, True]]]]},
        {"premises": [["fact", [[-1, True]]]]},
        {"premises": [["fact", [[7, True]]]]},
        {"minor": 2},
        {"distractors": [5]},
        {"claim": ["or", [[0, True], [1, True]]]},
        {"claim": ["some", [[0, True], [1, True]]]},
        {"claim_kind": "other"},
        {"wording": "x"},
    ],
)
def test_a_broken_problem_is_refused_by_name(change):
    with pytest.raises(SoundmindError, match="column 'problem'"):
        read_problem(json.dumps({**json.loads(GOOD.to_json()), **change}))


@pytest.mark.parametrize("key", json.loads(GOOD.to_json()))
def test_a_missing_key_is_refused(key):
    fields = json.loads(GOOD.to_json())
    del fields[key]
    with pytest.raises(SoundmindError, match="column 'problem'"):
        read_problem(json.dumps(fields))


@pytest.mark.parametrize("text", ["", "null", "[]", "3", '{"words": []}'])
def test_what_is_no_problem_is_refused(text):
    with pytest.raises(SoundmindError, match="column 'problem'"):
        read_problem(text)


def test_a_place_belongs_to_relations_only():
    scope = Argument(
        "scope", "SK", (("trust",), ("help",)), "club", (statement("every_some", 0), statement("within", 0, 1)),
        1, (), statement("every_some", 1), "natural", False, 0,
    )  # fmt: skip
    assert read_problem(scope.to_json()) == scope
    for broken in (json.loads(scope.to_json()) | {"place": ""},):
        with pytest.raises(SoundmindError, match="place"):
            read_problem(json.dumps(broken))

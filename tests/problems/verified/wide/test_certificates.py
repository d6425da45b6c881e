"""Every label has a proof that stands on its own, and a proof that was tampered with is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.verified.problems import check_proof, read_problem
from soundmind_pipeline.problems.verified.wide.certificates import (
    Certificate,
    Sequent,
    certify,
    check_certificate,
    theory_of,
)
from soundmind_pipeline.problems.verified.wide.derivations import derive
from soundmind_pipeline.problems.verified.wide.statements import Statement, fact, statement
from soundmind_pipeline.problems.verified.wide.syllogisms import MOODS, is_valid

PONENS = Sequent((statement("if", 0, 1), fact(0)), fact(1), 2)
CONVERSE = Sequent((statement("if", 0, 1), fact(1)), fact(0), 2)
BARBARA = Sequent((statement("all", 1, 2), statement("all", 0, 1)), statement("all", 0, 2), 3)
DARII = Sequent((statement("all", 1, 2), statement("some", 0, 1)), statement("some", 0, 2), 3)
BARBARI = Sequent(BARBARA.premises, statement("some", 0, 2), 3, existential_import=True)
WEAKER = Sequent((statement("one_by_all", 0), statement("within", 0, 1)), statement("every_some", 1), 2)
SHIFT = Sequent((statement("every_some", 0), statement("within", 0, 1)), statement("one_by_all", 1), 2)


def step(says, rule, *cites):
    return {"says": says.to_json(), "by": rule, "from": list(cites)}


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), existential_import=st.booleans())
def test_stored_proofs_prove_the_label(draw_any, seed, existential_import):
    problem = draw_any(seed, existential_import=existential_import)
    proof = json.loads(json.dumps(problem.certificate.to_json()))
    assert check_certificate(read_problem(problem.to_json()).sequent, proof) == problem.label
    assert Certificate.from_json(proof, theory_of(problem.claim)) == problem.certificate


def test_every_row_of_a_table_carries_its_proof(frame):
    for row in frame.to_dict("records"):
        assert check_proof(row["problem"], row["provenance"]) == row["label"]


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_no_proof_serves_the_opposite_claim(draw_any, seed):
    problem = draw_any(seed)
    other = Sequent(problem.premises, problem.claim.opposite, len(problem.words), problem.existential_import)
    if problem.label:
        with pytest.raises(SoundmindError):
            check_certificate(other, problem.certificate.to_json())
        assert certify(other).label == 0


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_a_derivation_needs_every_premise_that_it_cites(draw_any, seed, data):
    problem = draw_any(seed)
    steps = problem.certificate.derivation
    cited = {line for s in steps or () for line in s.cites if line < len(problem.premises)}
    if cited:
        # Another true-looking premise in the place of a cited one.
        gone = data.draw(st.sampled_from(sorted(cited)))
        harmless = problem.claim.opposite if problem.premises[gone] != problem.claim.opposite else problem.claim
        premises = tuple(harmless if line == gone else p for line, p in enumerate(problem.premises))
        sequent = Sequent(premises, problem.claim, len(problem.words), problem.existential_import)
        with pytest.raises(SoundmindError, match="does not prove"):
            check_certificate(sequent, problem.certificate.to_json())


@pytest.mark.parametrize("existential_import", [False, True])
def test_all_valid_moods_are_derived_step_by_step(existential_import):
    for mood in MOODS:
        steps = derive(mood.premises, mood.claim, existential_import)
        assert (steps is not None) == is_valid(mood, existential_import), mood


def test_a_derivation_word_for_word():
    assert certify(PONENS).to_json() == {"derivation": [step(fact(1), "ponens", 0, 1)]}
    assert certify(BARBARI).to_json() == {
        "derivation": [step(fact(0), "import"), step(fact(1), "ponens", 1, 2), step(fact(2), "ponens", 0, 3)]
    }
    assert certify(WEAKER).to_json() == {
        "derivation": [
            step(statement("one_by_all", 1), "monotone", 0, 1),
            step(statement("every_some", 1), "weaken", 2),
        ]
    }
    assert certify(CONVERSE).to_json() == {"countermodel": [False, True]}
    assert certify(SHIFT).to_json() == {"countermodel": {"size": 2, "pairs": [[[0, 0], [1, 1]]] * 2}}


@pytest.mark.parametrize(
    ("sequent", "steps"),
    [
        (CONVERSE, [step(fact(0), "ponens", 0, 1)]),  # the fallacy itself
        (CONVERSE, [step(fact(0), "suppose")]),  # a supposition proves no fact
        (PONENS, []),
        (PONENS, [step(fact(1), "ponens", 0)]),  # the fact is not cited
        (PONENS, [step(fact(1), "ponens", 0, 2)]),  # cites itself
        (PONENS, [step(fact(1), "ponens", 0, -1)]),
        (PONENS, [step(fact(1), "magic", 0, 1)]),  # no such rule
        (PONENS, [step(fact(0), "ponens", 0, 1)]),  # right, but not the claim
        (BARBARA, [step(fact(0), "import"), step(fact(1), "ponens", 1, 2), step(fact(2), "ponens", 0, 3)]),
        (BARBARA, [step(fact(1), "suppose"), step(fact(2), "ponens", 0, 2)]),  # supposes the middle term
        (DARII, [step(fact(0), "suppose"), step(fact(1), "witness", 1), step(fact(2), "ponens", 0, 3)]),
        (DARII, [step(fact(0), "witness", 1), step(fact(2), "witness", 1)]),  # not what the premise asserts
        (DARII, [step(fact(0), "witness", 1), step(fact(1), "ponens", 1, 2), step(fact(2), "ponens", 0, 3)]),
        (DARII, [step(fact(0), "import"), step(fact(1), "import"), step(fact(2), "ponens", 0, 3)]),
        (BARBARI, [step(fact(0), "import"), step(fact(2), "import")]),  # two different individuals
        (BARBARI, [step(fact(0, False), "import")]),
        (SHIFT, [step(statement("every_some", 1), "monotone", 0, 1), step(statement("one_by_all", 1), "weaken", 2)]),
        (SHIFT, [step(statement("one_by_all", 1), "monotone", 0, 1)]),
        (WEAKER, [step(statement("every_some", 0), "weaken", 0), step(statement("every_some", 1), "monotone", 1, 2)]),
        (WEAKER, [step(statement("every_some", 1), "ponens", 0, 1)]),
    ],
)
def test_an_unsound_derivation_is_refused(sequent, steps):
    with pytest.raises(SoundmindError, match="does not prove"):
        check_certificate(sequent, {"derivation": steps})


@pytest.mark.parametrize(
    ("sequent", "model"),
    [
        (CONVERSE, [True, True]),  # the claim is true
        (CONVERSE, [False, False]),  # a premise is false
        (CONVERSE, [False]),
        (CONVERSE, []),
        (BARBARI, []),  # nobody, where every class has a member
        (BARBARA, [[0]]),
        (SHIFT, {"size": 2, "pairs": [[[0, 0]], [[0, 0]]]}),  # not everyone has someone
        (SHIFT, {"size": 2, "pairs": [[[0, 0], [1, 1]]]}),
        (SHIFT, {"size": 0, "pairs": [[], []]}),
        (SHIFT, {"size": 2, "pairs": [[[0, 0], [1, 2]], [[0, 0], [1, 2]]]}),
    ],
)
def test_a_model_that_refutes_nothing_is_refused(sequent, model):
    with pytest.raises(SoundmindError, match="does not refute"):
        check_certificate(sequent, {"countermodel": model})


@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"countermodel": None},
        {"countermodel": {"size": 2}},
        {"derivation": [{}]},
        {"derivation": [{"says": ["fact", [[0, True]]], "by": "ponens"}]},
        {"derivation": [{"says": ["perhaps", [[0, True]]], "by": "ponens", "from": []}]},
    ],
)
@pytest.mark.parametrize("sequent", [CONVERSE, SHIFT])
def test_what_is_no_certificate_is_refused(sequent, proof):
    with pytest.raises(SoundmindError, match=r"not a certificate|does not refute"):
        check_certificate(sequent, proof)


def test_a_row_without_a_proof_is_refused(frame):
    with pytest.raises(SoundmindError, match="holds no proof"):
        check_proof(frame["problem"].iloc[0], '{"source": "verified"}')


def test_what_the_rules_do_not_reach_is_not_labelled():
    # Entailed, but by a disjunction of conditionals that no rule takes apart.
    premises = (statement("or", 0, 1), statement("if", 0, 2), statement("if", 2, 3), statement("if", 1, 3))
    with pytest.raises(SoundmindError, match="neither a countermodel nor a derivation"):
        certify(Sequent(premises, fact(3), 4))


def test_a_statement_that_is_never_a_claim_has_no_opposite():
    with pytest.raises(ValueError, match="never a claim"):
        _ = Statement("or", fact(0).terms + fact(1).terms).opposite

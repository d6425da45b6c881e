"""A second opinion on every label: the meaning of every kind of statement once more, decided by the z3 solver."""

import functools

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmind_pipeline.problems.verified.families import FAMILIES, Atom, Problem
from soundmind_pipeline.problems.verified.logic import Literal
from soundmind_pipeline.problems.verified.wide.certificates import Sequent, certify, theory_of
from soundmind_pipeline.problems.verified.wide.forms import WIDE_FAMILIES
from soundmind_pipeline.problems.verified.wide.syllogisms import MOODS, is_valid

Thing = z3.DeclareSort("Thing")


def entails(sequent: Sequent) -> bool:
    """Whether z3 finds premises and denied claim unsatisfiable, over any domain of whatever size."""
    theory = theory_of(sequent.claim)
    if theory == "relational" and _solve(sequent, _grounded) == z3.sat:
        return False  # a group of three will do; z3 may search on for ever for an infinite one
    meaning = {"propositional": _propositional, "categorical": _categorical, "relational": _relational}[theory]
    answer = _solve(sequent, meaning)
    assert answer != z3.unknown
    return answer == z3.unsat


def _solve(sequent, meaning):
    solver = z3.Solver()
    solver.add(*(meaning(premise) for premise in sequent.premises))
    solver.add(z3.Not(meaning(sequent.claim)))
    if sequent.existential_import and theory_of(sequent.claim) == "categorical":
        x = z3.Const("x", Thing)
        solver.add(*(z3.Exists([x], _class(index)(x)) for index in range(sequent.atoms)))
    return solver.check()


def _propositional(statement):
    terms = [z3.Bool(f"p{t.atom}") if t.positive else z3.Not(z3.Bool(f"p{t.atom}")) for t in statement.terms]
    return {
        "fact": lambda p: p,
        "if": z3.Implies,
        "iff": lambda p, q: p == q,
        "xor": z3.Xor,
        "or": lambda *alternatives: z3.Or(*alternatives),
    }[statement.kind](*terms)


@functools.cache
def _class(index):
    return z3.Function(f"C{index}", Thing, z3.BoolSort())


@functools.cache
def _relation(index):
    return z3.Function(f"R{index}", Thing, Thing, z3.BoolSort())


def _categorical(statement):
    x = z3.Const("x", Thing)
    subject, predicate = (_class(term.atom)(x) for term in statement.terms)
    return {
        "all": lambda: z3.ForAll([x], z3.Implies(subject, predicate)),
        "no": lambda: z3.ForAll([x], z3.Not(z3.And(subject, predicate))),
        "some": lambda: z3.Exists([x], z3.And(subject, predicate)),
        "some_not": lambda: z3.Exists([x], z3.And(subject, z3.Not(predicate))),
    }[statement.kind]()


def _relational(statement):
    x, y = z3.Consts("x y", Thing)
    first = _relation(statement.terms[0].atom)(x, y)
    truth = {
        "every_some": lambda: z3.ForAll([x], z3.Exists([y], first)),
        "one_by_all": lambda: z3.Exists([y], z3.ForAll([x], first)),
        "one_to_all": lambda: z3.Exists([x], z3.ForAll([y], first)),
        "every_by_some": lambda: z3.ForAll([y], z3.Exists([x], first)),
        "within": lambda: z3.ForAll([x, y], z3.Implies(first, _relation(statement.terms[1].atom)(x, y))),
    }[statement.kind]()
    return truth if statement.terms[0].positive else z3.Not(truth)


def _grounded(statement, members=range(3)):
    """A relational statement in a group of three, without quantifiers."""
    first, last = statement.terms[0], statement.terms[-1]

    def said(x, y, term=first):
        return z3.Bool(f"r{term.atom}_{x}_{y}")

    truth = {
        "every_some": lambda: z3.And([z3.Or([said(x, y) for y in members]) for x in members]),
        "one_by_all": lambda: z3.Or([z3.And([said(x, y) for x in members]) for y in members]),
        "one_to_all": lambda: z3.Or([z3.And([said(x, y) for y in members]) for x in members]),
        "every_by_some": lambda: z3.And([z3.Or([said(x, y) for x in members]) for y in members]),
        "within": lambda: z3.And([z3.Implies(said(x, y), said(x, y, last)) for x in members for y in members]),
    }[statement.kind]()
    return truth if first.positive else z3.Not(truth)


@pytest.mark.parametrize("family", WIDE_FAMILIES)
@pytest.mark.parametrize("existential_import", [False, True])
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_the_label_is_z3s_answer(draw_any, family, existential_import, seed):
    problem = draw_any(seed, family, existential_import)
    assert problem.label == entails(problem.sequent)


@settings(max_examples=60)
@given(st.sampled_from(FAMILIES), st.tuples(*[st.booleans()] * 4), st.integers(0, 1))
def test_the_label_of_the_nano_families_is_z3s_answer(family, signs, side):
    atoms = (Atom("tom", "happy"), Atom("anna", "rich"))
    problem = Problem(family, atoms, signs[:2], Literal(side, signs[2]), Literal(1 - side, signs[3]))
    assert problem.label == entails(problem.sequent) == problem.certificate.label


@pytest.mark.parametrize("existential_import", [False, True])
def test_the_valid_moods_are_z3s(existential_import):
    for mood in MOODS:
        sequent = Sequent(mood.premises, mood.claim, 3, existential_import)
        assert is_valid(mood, existential_import) == entails(sequent), mood


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_premises_never_contradict_each_other(draw_any, seed):
    """z3 does not derive a claim and its opposite, as it would from a contradiction."""
    problem = draw_any(seed)
    for claim in (problem.claim, problem.claim.opposite):
        if not entails(Sequent(problem.premises, claim, problem.sequent.atoms, problem.existential_import)):
            break
    else:
        pytest.fail("the premises entail everything")


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_distractors_make_no_difference(draw_any, seed):
    problem = draw_any(seed)
    sequent = Sequent(problem.core, problem.claim, problem.sequent.atoms, problem.existential_import)
    assert certify(sequent).label == problem.label

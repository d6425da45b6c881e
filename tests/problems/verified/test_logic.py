"""Entailment against truth tables written by hand."""

import pytest

from soundmind_pipeline.problems.verified.logic import And, Implies, Literal, Not, Or, entails, find_countermodel, holds

P, Q, R = Literal(0, True), Literal(1, True), Literal(2, True)
NOT_P, NOT_Q = P.opposite, Q.opposite


@pytest.mark.parametrize(
    ("formula", "column"),  # the values for (p, q) = 00, 01, 10, 11
    [
        (P, (0, 0, 1, 1)),
        (NOT_Q, (1, 0, 1, 0)),
        (Not(P), (1, 1, 0, 0)),
        (And(P, Q), (0, 0, 0, 1)),
        (Or(P, Q), (0, 1, 1, 1)),
        (Implies(P, Q), (1, 1, 0, 1)),
        (Implies(Q, P), (1, 0, 1, 1)),
        (Not(And(P, Q)), (1, 1, 1, 0)),
        (Or(NOT_P, Not(Or(P, Q))), (1, 1, 0, 0)),
    ],
)
def test_truth_table(formula, column):
    models = [{0: bool(p), 1: bool(q)} for p in (0, 1) for q in (0, 1)]
    assert tuple(int(holds(formula, model)) for model in models) == column


@pytest.mark.parametrize(
    ("premises", "conclusion", "expected"),
    [
        ((Implies(P, Q), P), Q, True),
        ((Implies(P, Q), NOT_Q), NOT_P, True),
        ((Implies(P, Q), Q), P, False),
        ((Implies(P, Q), NOT_P), NOT_Q, False),
        ((Implies(P, Q), Implies(Q, R)), Implies(P, R), True),
        ((Implies(P, Q), Implies(R, Q)), Implies(P, R), False),
        ((Or(P, Q), NOT_P), Q, True),
        ((Or(P, Q), P), NOT_Q, False),
        ((Or(P, Q), Or(NOT_P, R)), Or(Q, R), True),
        ((P, NOT_P), Q, True),  # inconsistent premises entail everything
        ((), Or(P, NOT_P), True),
        ((), P, False),
    ],
)
def test_entailment(premises, conclusion, expected):
    assert entails(premises, conclusion) is expected


def test_countermodel_makes_the_premises_true_and_the_conclusion_false():
    assert find_countermodel((Implies(P, Q), Q), P) == {0: False, 1: True}
    assert find_countermodel((Implies(P, Q), P), Q) is None

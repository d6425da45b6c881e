"""Propositional statements: what they mean, and every model at once.

A truth table over n atoms is one whole number of 2ⁿ bits, so that "in every model" is an operation on whole numbers:
enumeration is exact, and quick up to the eleven atoms of the longest problem.
"""

from collections.abc import Sequence
from functools import cache, reduce

from soundmind_pipeline.problems.verified.logic import And, Formula, Implies, Literal, Not, Or
from soundmind_pipeline.problems.verified.wide.statements import Statement


@cache
def truth_column(atom: int, atoms: int) -> int:
    """The models, out of 2 to the power of ``atoms``, in which ``atom`` is true: bit m stands for model m."""
    half = 1 << atom
    block = ((1 << half) - 1) << half
    return every_model(atoms) // ((1 << 2 * half) - 1) * block


def every_model(atoms: int) -> int:
    """All 2 to the power of ``atoms`` models."""
    return (1 << (1 << atoms)) - 1


def truth_table(statement: Statement, atoms: int) -> int:
    """The models in which a propositional statement is true."""
    every = every_model(atoms)
    columns = [truth_column(t.atom, atoms) ^ (0 if t.positive else every) for t in statement.terms]
    match statement.kind:
        case "fact":
            return columns[0]
        case "if":
            return (columns[0] ^ every) | columns[1]
        case "iff":
            return columns[0] ^ columns[1] ^ every
        case "or":
            return reduce(int.__or__, columns)
        case "xor":
            return columns[0] ^ columns[1]
    raise ValueError(f"{statement.kind} is not propositional")


def find_countermodel(premises: Sequence[Statement], claim: Statement, atoms: int) -> tuple[bool, ...] | None:
    """The truth of every atom in the first model of ``premises`` in which ``claim`` is false, or None."""
    models = reduce(int.__and__, (truth_table(premise, atoms) for premise in premises), every_model(atoms))
    models &= ~truth_table(claim, atoms)
    if not models:
        return None
    number = (models & -models).bit_length() - 1
    return tuple(bool(number >> atom & 1) for atom in range(atoms))


def formula(statement: Statement) -> Formula:
    """The same meaning as a formula of :mod:`soundmind_pipeline.problems.verified.logic`."""
    first, *rest = statement.terms
    match statement.kind:
        case "fact":
            return first
        case "if":
            return Implies(first, rest[0])
        case "iff":
            return And(Implies(first, rest[0]), Implies(rest[0], first))
        case "or":
            return _any_of(statement.terms)
        case "xor":
            return And(Or(first, rest[0]), Not(And(first, rest[0])))
    raise ValueError(f"{statement.kind} is not propositional")


def _any_of(terms: Sequence[Literal]) -> Formula:
    first, *rest = terms
    return Or(first, _any_of(rest)) if rest else first


def clauses(statement: Statement) -> list[tuple[Literal, ...]]:
    """The statement as a conjunction of disjunctions of literals; universal categorical statements are about one x."""
    first, *rest = statement.terms
    match statement.kind:
        case "if" | "all":
            return [(first.opposite, rest[0])]
        case "no":
            return [(first.opposite, rest[0].opposite)]
        case "iff":
            return [(first.opposite, rest[0]), (first, rest[0].opposite)]
        case "xor":
            return [(first, rest[0]), (first.opposite, rest[0].opposite)]
        case "fact" | "or":
            return [statement.terms]
    return []

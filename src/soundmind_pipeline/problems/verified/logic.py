"""Propositional formulas and exact entailment by enumerating every model: the only source of labels."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Model = Mapping[int, bool]
"""A truth value for each atom, by the atom's index."""


@dataclass(frozen=True)
class Literal:
    """An atom or its negation."""

    atom: int
    positive: bool

    @property
    def opposite(self) -> "Literal":
        """The same atom with the other sign."""
        return Literal(self.atom, not self.positive)


@dataclass(frozen=True)
class Not:
    """Negation."""

    inner: "Formula"


@dataclass(frozen=True)
class And:
    """Conjunction."""

    left: "Formula"
    right: "Formula"


@dataclass(frozen=True)
class Or:
    """Inclusive disjunction."""

    left: "Formula"
    right: "Formula"


@dataclass(frozen=True)
class Implies:
    """Material implication."""

    antecedent: "Formula"
    consequent: "Formula"


Formula = Literal | Not | And | Or | Implies


def holds(formula: Formula, model: Model) -> bool:
    """The truth value of ``formula`` in ``model``."""
    match formula:
        case Literal(atom, positive):
            return model[atom] == positive
        case Not(inner):
            return not holds(inner, model)
        case And(left, right):
            return holds(left, model) and holds(right, model)
        case Or(left, right):
            return holds(left, model) or holds(right, model)
        case Implies(antecedent, consequent):
            return not holds(antecedent, model) or holds(consequent, model)


def atoms_of(formula: Formula) -> frozenset[int]:
    """The indices of the atoms that occur in ``formula``."""
    match formula:
        case Literal(atom, _):
            return frozenset((atom,))
        case Not(inner):
            return atoms_of(inner)
        case And(left, right) | Or(left, right) | Implies(left, right):
            return atoms_of(left) | atoms_of(right)


def find_countermodel(premises: Sequence[Formula], conclusion: Formula) -> dict[int, bool] | None:
    """A model of every premise in which ``conclusion`` is false, the first in enumeration order, or None."""
    atoms = sorted(frozenset().union(*(atoms_of(formula) for formula in (*premises, conclusion))))
    for values in itertools.product((False, True), repeat=len(atoms)):
        model = dict(zip(atoms, values, strict=True))
        if all(holds(premise, model) for premise in premises) and not holds(conclusion, model):
            return model
    return None


def entails(premises: Sequence[Formula], conclusion: Formula) -> bool:
    """Whether ``conclusion`` is true in every model of the premises (so inconsistent premises entail everything)."""
    return find_countermodel(premises, conclusion) is None

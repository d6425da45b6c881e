"""The formal language of the wide families: statements about numbered atoms, and their JSON.

What an atom is depends on the theory:

============= ============================== =====================================================================
theory        an atom is                     kinds of statement
============= ============================== =====================================================================
propositional a person having a quality      ``fact`` p, ``if`` p then q, ``iff`` p q, ``or`` p q …, ``xor`` p q
categorical   a class                        ``all`` S are P, ``no`` S are P, ``some`` S are P, ``some_not`` S are P
relational    a relation in one group        ``every_some`` ∀x∃y xRy, ``one_by_all`` ∃y∀x xRy, ``one_to_all`` ∃x∀y xRy,
                                             ``every_by_some`` ∀y∃x xRy, ``within`` ∀x∀y xRy → xSy
============= ============================== =====================================================================

Only propositional terms and the claims of relational problems may be negated; a negated relational term denies its
whole statement.
"""

from dataclasses import dataclass
from typing import Any, Final

from soundmind_pipeline.problems.verified.logic import Literal

PROPOSITIONAL: Final = ("fact", "if", "iff", "or", "xor")
CATEGORICAL: Final = ("all", "no", "some", "some_not")
SCOPES: Final = ("every_some", "one_by_all", "one_to_all", "every_by_some")
RELATIONAL: Final = (*SCOPES, "within")

_CONTRADICTORY: Final = {"all": "some_not", "some_not": "all", "no": "some", "some": "no"}
_TERMS: Final = {"fact": 1, "if": 2, "iff": 2, "xor": 2, "within": 2} | dict.fromkeys(CATEGORICAL, 2)


@dataclass(frozen=True, slots=True)
class Statement:
    """One premise, claim or line of a derivation.

    Attributes:
        kind: See the table above.
        terms: What it is about, in the order of the table.
    """

    kind: str
    terms: tuple[Literal, ...]

    @property
    def atoms(self) -> frozenset[int]:
        """The atoms it is about."""
        return frozenset(term.atom for term in self.terms)

    @property
    def opposite(self) -> "Statement":
        """What is never entailed where this is: the contradictory, or for a conditional the opposite consequent."""
        if self.kind in CATEGORICAL:
            return Statement(_CONTRADICTORY[self.kind], self.terms)
        if self.kind not in ("fact", "if", *SCOPES):
            raise ValueError(f"a statement of kind {self.kind} is never a claim")
        return Statement(self.kind, (*self.terms[:-1], self.terms[-1].opposite))

    def to_json(self) -> list[Any]:
        """Kind and terms as plain lists."""
        return [self.kind, [[term.atom, term.positive] for term in self.terms]]

    @classmethod
    def from_json(cls, value: Any) -> "Statement":
        """Read what :meth:`to_json` gave.

        Raises:
            ValueError: Not such lists, or the wrong number of terms for the kind.
            TypeError: The same.
        """
        kind, terms = value
        statement = cls(str(kind), tuple(Literal(int(atom), bool(positive)) for atom, positive in terms))
        if kind not in (*PROPOSITIONAL, *CATEGORICAL, *RELATIONAL):
            raise ValueError(f"unknown kind of statement {kind!r}")
        minimum, count = (2, len(terms)) if kind == "or" else (_TERMS.get(kind, 1), len(terms))
        if kind in (*CATEGORICAL, "within") and not all(term.positive for term in statement.terms):
            raise ValueError(f"{kind!r} with a negated term")
        if count < minimum or (kind != "or" and count != minimum) or any(term.atom < 0 for term in statement.terms):
            raise ValueError(f"{kind!r} with the wrong terms")
        return statement


def statement(kind: str, *atoms: int) -> Statement:
    """A statement whose terms are all affirmed."""
    return Statement(kind, tuple(Literal(atom, True) for atom in atoms))


def fact(atom: int, positive: bool = True) -> Statement:
    """A single literal as a statement."""
    return Statement("fact", (Literal(atom, positive),))

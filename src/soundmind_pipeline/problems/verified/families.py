"""Families of major premises, the argument forms they make with a minor premise, and the problem itself.

====== ============================ ======= =====================================
form   name                         valid?  shape
====== ============================ ======= =====================================
MP     modus ponens                 yes     if p then q, p, so q
MT     modus tollens                yes     if p then q, not q, so not p
AC     affirming the consequent     no      if p then q, q, so p
DA     denying the antecedent       no      if p then q, not p, so not q
DS     disjunctive syllogism        yes     p or q, not p, so q
AD     affirming a disjunct         no      p or q, p, so not q
CS     conjunctive syllogism        yes     not both p and q, p, so not q
DC     denying a conjunct           no      not both p and q, not p, so q
====== ============================ ======= =====================================
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.verified.logic import And, Formula, Implies, Literal, Not, Or, entails
from soundmind_pipeline.problems.verified.wide.certificates import Certificate, Sequent, certify
from soundmind_pipeline.problems.verified.wide.statements import Statement

CONDITIONALS: Final = ("if_then", "only_if", "reversed_if")
"""Families in which one must look up whether the minor premise names the antecedent or the consequent."""

SYMMETRIC: Final = ("either_or", "not_both")
"""Families whose two sides are alike."""

FAMILIES: Final = CONDITIONALS + SYMMETRIC
VALID_FORMS: Final = ("MP", "MT", "DS", "CS")
FALLACIES: Final = ("AC", "DA", "AD", "DC")

_CONDITIONAL_FORMS: Final = {(True, True): "MP", (False, False): "MT", (False, True): "AC", (True, False): "DA"}
"""(the minor premise names the antecedent, it affirms what it names) to form."""

_SYMMETRIC_FORMS: Final = {
    ("either_or", False): "DS",
    ("either_or", True): "AD",
    ("not_both", True): "CS",
    ("not_both", False): "DC",
}
"""(family, the minor premise affirms what it names) to form."""


def forms_of(family: str) -> tuple[str, ...]:
    """The forms that the premises of ``family`` can make."""
    if family in CONDITIONALS:
        return tuple(_CONDITIONAL_FORMS.values())
    return tuple(form for (symmetric, _), form in _SYMMETRIC_FORMS.items() if symmetric == family)


class Atom(NamedTuple):
    """Something that is so or not: a name and an adjective."""

    name: str
    adjective: str


def antecedent_index(family: str) -> int:
    """Which of the two literals, in the order they are said, is the antecedent of a conditional family."""
    return 1 if family == "reversed_if" else 0


def major_formula(family: str, first: Literal, second: Literal) -> Formula:
    """What a major premise of ``family`` means; ``first`` and ``second`` stand in the order they are said."""
    if family == "either_or":
        return Or(first, second)
    if family == "not_both":
        return Not(And(first, second))
    return Implies(second, first) if antecedent_index(family) else Implies(first, second)


@dataclass(frozen=True)
class Problem:
    """Two premises and a claim over two atoms.

    Attributes:
        family: One of ``FAMILIES``.
        atoms: The atoms in the order the major premise says them.
        major: The signs of the two atoms in the major premise.
        minor: The minor premise; its atom is 0 or 1.
        claim: The conclusion to be judged; about the other atom.
    """

    family: str
    atoms: tuple[Atom, Atom]
    major: tuple[bool, bool]
    minor: Literal
    claim: Literal

    @property
    def premises(self) -> tuple[Formula, Formula]:
        """The meaning of the two premises."""
        first, second = (Literal(index, sign) for index, sign in enumerate(self.major))
        return major_formula(self.family, first, second), self.minor

    @property
    def label(self) -> int:
        """1 if the premises entail the claim, else 0: by the truth table."""
        return int(entails(self.premises, self.claim))

    @property
    def sequent(self) -> Sequent:
        """Premises and claim as statements, which certificates are about."""
        sides = [Literal(index, sign) for index, sign in enumerate(self.major)]
        if self.family == "not_both":
            major = Statement("or", tuple(side.opposite for side in sides))
        elif self.family == "either_or":
            major = Statement("or", tuple(sides))
        else:
            given = antecedent_index(self.family)
            major = Statement("if", (sides[given], sides[1 - given]))
        minor, claim = (Statement("fact", (literal,)) for literal in (self.minor, self.claim))
        return Sequent((major, minor), claim, len(self.atoms))

    @cached_property
    def certificate(self) -> Certificate:
        """The proof of the label: a derivation or a countermodel."""
        return certify(self.sequent)

    @property
    def core_words(self) -> tuple[str, ...]:
        """What the problem is about, in words: the leak group's key."""
        return tuple(sorted(f"{atom.name} {atom.adjective}" for atom in self.atoms))

    @property
    def affirms(self) -> bool:
        """Whether the minor premise asserts its side of the major premise as it was said there."""
        return self.minor.positive == self.major[self.minor.atom]

    @property
    def form(self) -> str:
        """The argument form that the premises make (the claim plays no part)."""
        if self.family in CONDITIONALS:
            return _CONDITIONAL_FORMS[self.minor.atom == antecedent_index(self.family), self.affirms]
        return _SYMMETRIC_FORMS[self.family, self.affirms]

    @property
    def is_fallacy(self) -> bool:
        """Whether the premises only tempt to a conclusion that they do not give."""
        return self.form in FALLACIES

    @property
    def natural_claim(self) -> Literal:
        """The conclusion a reader is tempted to draw: entailed for valid forms, a fallacy for the rest."""
        other = 1 - self.minor.atom
        same = self.affirms if self.family in CONDITIONALS else not self.affirms
        return Literal(other, self.major[other] == same)

    @property
    def claim_kind(self) -> str:
        """``natural`` or ``opposite``."""
        return "natural" if self.claim == self.natural_claim else "opposite"

    @property
    def difficulty(self) -> int:
        """1 (modus ponens) to 5: plus one each for a denial, a fallacy, an unusual word order, a negated major."""
        unusual = self.family in ("only_if", "reversed_if")
        return 1 + (not self.affirms) + self.is_fallacy + unusual + (not all(self.major))

    def to_json(self) -> str:
        """The problem as one line of JSON, which :meth:`from_json` reads back."""
        fields = {
            "family": self.family,
            "atoms": self.atoms,
            "major": self.major,
            "minor": [self.minor.atom, self.minor.positive],
            "claim": [self.claim.atom, self.claim.positive],
        }
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> "Problem":
        """Read what :meth:`to_json` wrote.

        Raises:
            SoundmindError: ``text`` is not such a problem.
        """
        try:
            fields = json.loads(text)
            first, second = (Atom(str(name), str(adjective)) for name, adjective in fields["atoms"])
            sign_first, sign_second = (bool(sign) for sign in fields["major"])
            minor, claim = (Literal(int(fields[key][0]), bool(fields[key][1])) for key in ("minor", "claim"))
            family = str(fields["family"])
            if family not in FAMILIES or {minor.atom, claim.atom} != {0, 1}:
                raise ValueError("unknown family, or minor premise and claim are not about the two atoms")
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise SoundmindError(
                f"column 'problem' does not hold a verified problem: {text[:80]!r} ({error})"
            ) from error
        return cls(family, (first, second), (sign_first, sign_second), minor, claim)

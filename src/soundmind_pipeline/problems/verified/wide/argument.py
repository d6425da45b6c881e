"""A problem of a wide family: premises, claim and words, with its label and the certificate of it."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.verified.wide.certificates import Certificate, Sequent, certify, theory_of
from soundmind_pipeline.problems.verified.wide.forms import FORMS, Form
from soundmind_pipeline.problems.verified.wide.statements import PROPOSITIONAL, SCOPES, Statement

_CLAIMS: Final = ("fact", "if", "all", "no", "some", "some_not", *SCOPES)


@dataclass(frozen=True)
class Argument:
    """Premises in the order they are told, and a claim to be judged.

    Attributes:
        family: A key of ``FORMS``.
        form: A form of the family; it says how the natural claim relates to the premises.
        words: What each atom is called: (name, adjective), (class,) or (verb,), in lower case.
        place: The group that a relational problem is about; empty in the other theories.
        premises: All of them, distractors included.
        minor: Which premise is the minor one.
        distractors: Which premises are irrelevant: about atoms that no other premise and not the claim speaks of.
        claim: The conclusion to be judged.
        claim_kind: ``natural`` or ``opposite``.
        existential_import: Whether every class is taken to have a member.
        wording: Seed of the wording.
    """

    family: str
    form: str
    words: tuple[tuple[str, ...], ...]
    place: str
    premises: tuple[Statement, ...]
    minor: int
    distractors: tuple[int, ...]
    claim: Statement
    claim_kind: str
    existential_import: bool
    wording: int

    @property
    def sequent(self) -> Sequent:
        """The formal part."""
        return Sequent(self.premises, self.claim, len(self.words), self.existential_import)

    @cached_property
    def certificate(self) -> Certificate:
        """The proof of the label."""
        return certify(self.sequent)

    @property
    def label(self) -> int:
        """1 if the premises entail the claim, else 0: as the certificate proves."""
        return self.certificate.label

    @property
    def natural_claim(self) -> Statement:
        """The conclusion that a hasty reader draws."""
        return self.claim if self.claim_kind == "natural" else self.claim.opposite

    @property
    def is_fallacy(self) -> bool:
        """Whether the premises only tempt to the natural claim."""
        return not self.shape.valid

    @property
    def shape(self) -> Form:
        """What the form is."""
        return FORMS[self.family][self.form]

    @property
    def core(self) -> tuple[Statement, ...]:
        """The premises without the distractors."""
        return tuple(premise for place, premise in enumerate(self.premises) if place not in self.distractors)

    @property
    def size(self) -> int:
        """What the family counts: links, terms, alternatives, inclusions; else 1."""
        kinds = [premise.kind for premise in self.core]
        match self.family:
            case "chain":
                return kinds.count("if")
            case "disjunction" | "dilemma":
                return max(len(premise.terms) for premise in self.core)
            case "scope":
                return kinds.count("within")
        return 1

    @property
    def difficulty(self) -> int:
        """1 and up: the form's hardness, size above the smallest, negated sides (1), distractors (1 each).

        Only a statement that is no bare fact counts as negated: the denials of a disjunctive syllogism belong to it.
        """
        negated = theory_of(self.claim) == "propositional" and any(
            not term.positive for premise in self.core if premise.kind != "fact" for term in premise.terms
        )
        return 1 + self.shape.hardness + self.size - self.shape.sizes[0] + negated + len(self.distractors)

    @property
    def core_atoms(self) -> list[int]:
        """What the relevant premises and the claim are about."""
        return sorted(self.claim.atoms.union(*(premise.atoms for premise in self.core)))

    @property
    def core_words(self) -> tuple[str, ...]:
        """The core atoms in words, and the place: the leak group's key."""
        words = [" ".join(self.words[atom]) for atom in self.core_atoms]
        return tuple(sorted([*words, self.place] if self.place else words))

    def to_json(self) -> str:
        """The problem as one line of JSON, which :meth:`from_json` reads back."""
        fields = {
            "family": self.family,
            "form": self.form,
            "words": self.words,
            "place": self.place,
            "premises": [premise.to_json() for premise in self.premises],
            "minor": self.minor,
            "distractors": self.distractors,
            "claim": self.claim.to_json(),
            "claim_kind": self.claim_kind,
            "existential_import": self.existential_import,
            "wording": self.wording,
        }
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> "Argument":
        """Read what :meth:`to_json` wrote.

        Raises:
            SoundmindError: ``text`` is not such a problem.
        """
        try:
            return cls(**_read_fields(json.loads(text)))._checked()
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise SoundmindError(
                f"column 'problem' does not hold a verified problem: {text[:80]!r} ({error})"
            ) from error

    def _checked(self) -> "Argument":
        """This argument, if its parts belong together; else a ValueError or IndexError."""
        if self.form not in FORMS.get(self.family, {}) or self.claim_kind not in ("natural", "opposite"):
            raise ValueError("unknown family, form or kind of claim")
        if {theory_of(premise) for premise in self.premises} != {theory_of(self.claim)}:
            raise ValueError("premises and claim are not of one theory")
        if self.claim.kind not in _CLAIMS:
            raise ValueError(f"a {self.claim.kind!r} is never a claim")
        if max(max(statement.atoms) for statement in (*self.premises, self.claim)) >= len(self.words):
            raise IndexError("a statement is about an atom without words")
        if not all(0 <= place < len(self.premises) for place in (self.minor, *self.distractors)):
            raise IndexError("no such premise")
        needed = {"propositional": 2, "categorical": 1, "relational": 1}[theory_of(self.claim)]
        if not all(len(words) == needed and all(words) for words in self.words):
            raise ValueError(f"each atom needs {needed} words")
        if self.claim.kind not in PROPOSITIONAL and bool(self.place) != (self.claim.kind in SCOPES):
            raise ValueError("a place belongs to relational problems, and to them only")
        return self


def _read_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """The attributes of an argument from its JSON object."""
    return {
        "family": str(fields["family"]),
        "form": str(fields["form"]),
        "words": tuple(tuple(map(str, words)) for words in fields["words"]),
        "place": str(fields["place"]),
        "premises": tuple(map(Statement.from_json, fields["premises"])),
        "minor": int(fields["minor"]),
        "distractors": tuple(map(int, fields["distractors"])),
        "claim": Statement.from_json(fields["claim"]),
        "claim_kind": str(fields["claim_kind"]),
        "existential_import": bool(fields["existential_import"]),
        "wording": int(fields["wording"]),
    }

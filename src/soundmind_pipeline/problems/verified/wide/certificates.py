"""Certificates of labels: a derivation for "entailed", a countermodel for "not entailed".

A label is only ever given together with its certificate, so it rests on nothing but :func:`check_certificate`'s two
sound tests. Nothing has to be believed about the search that found them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.verified import logic
from soundmind_pipeline.problems.verified.wide import categorical, propositional, relational
from soundmind_pipeline.problems.verified.wide.derivations import Step, derive, is_derivation
from soundmind_pipeline.problems.verified.wide.statements import CATEGORICAL, PROPOSITIONAL, Statement

Countermodel = tuple[bool, ...] | categorical.Individuals | relational.Group


@dataclass(frozen=True)
class Sequent:
    """What a certificate is about, premises ⊢ claim: the formal part of a problem.

    Attributes:
        premises: In the order told.
        claim: Of the same theory.
        atoms: Number of atoms in premises and claim.
        existential_import: Whether every class has a member; read in the categorical theory only.
    """

    premises: tuple[Statement, ...]
    claim: Statement
    atoms: int
    existential_import: bool = False


@dataclass(frozen=True)
class Certificate:
    """The proof of a label; exactly one of the two is there.

    Attributes:
        derivation: Steps that prove the claim, of which there may be none if it is a premise; None for a label 0.
        countermodel: The truth of every atom, the individuals of a world, or a group; None for a label 1.
    """

    derivation: tuple[Step, ...] | None
    countermodel: Countermodel | None

    @property
    def label(self) -> int:
        """1 for entailed."""
        return int(self.derivation is not None)

    def to_json(self) -> dict[str, Any]:
        """``{"derivation": [step, …]}`` or ``{"countermodel": …}`` in plain types."""
        if self.derivation is not None:
            return {"derivation": [step.to_json() for step in self.derivation]}
        if isinstance(self.countermodel, relational.Group):
            pairs = [sorted(map(list, relation)) for relation in self.countermodel.pairs]
            return {"countermodel": {"size": self.countermodel.size, "pairs": pairs}}
        return {"countermodel": [list(v) if isinstance(v, tuple) else v for v in self.countermodel or ()]}

    @classmethod
    def from_json(cls, value: dict[str, Any], theory: str) -> "Certificate":
        """Read what :meth:`to_json` gave; a ValueError, TypeError or KeyError if it is something else."""
        if "derivation" in value:
            return cls(tuple(map(Step.from_json, value["derivation"])), None)
        model = value["countermodel"]
        if theory == "relational":
            pairs = tuple(frozenset((int(x), int(y)) for x, y in relation) for relation in model["pairs"])
            return cls(None, relational.Group(int(model["size"]), pairs))
        if theory == "categorical":
            return cls(None, tuple(tuple(map(int, individual)) for individual in model))
        return cls(None, tuple(map(bool, model)))


def theory_of(claim: Statement) -> str:
    """``propositional``, ``categorical`` or ``relational``."""
    if claim.kind in PROPOSITIONAL:
        return "propositional"
    return "categorical" if claim.kind in CATEGORICAL else "relational"


def certify(sequent: Sequent) -> Certificate:
    """Label ``sequent`` by finding its certificate.

    Raises:
        SoundmindError: There is neither a countermodel nor a derivation that the rules reach, so nothing is proved.
    """
    model = find_countermodel(sequent)
    if model is not None:
        return Certificate(None, model)
    steps = derive(sequent.premises, sequent.claim, sequent.existential_import)
    if steps is None:
        raise SoundmindError(f"neither a countermodel nor a derivation was found for {sequent}")
    return Certificate(steps, None)


def find_countermodel(sequent: Sequent) -> Countermodel | None:
    """A model of the premises in which the claim is false; exact but for relations (see :mod:`.relational`)."""
    match theory_of(sequent.claim):
        case "propositional":
            return propositional.find_countermodel(sequent.premises, sequent.claim, sequent.atoms)
        case "categorical":
            return categorical.find_countermodel(
                sequent.premises, sequent.claim, sequent.atoms, sequent.existential_import
            )
    return relational.find_countermodel(sequent.premises, sequent.claim, sequent.atoms)


def check_certificate(sequent: Sequent, certificate: dict[str, Any]) -> int:
    """The label that a stored certificate proves.

    Args:
        sequent: Premises and claim.
        certificate: What :meth:`Certificate.to_json` gave.

    Raises:
        SoundmindError: It is no certificate, or it proves nothing about ``sequent``.
    """
    try:
        proof = Certificate.from_json(certificate, theory_of(sequent.claim))
    except (ValueError, KeyError, TypeError) as error:
        raise SoundmindError(f"not a certificate: {str(certificate)[:80]} ({error!r})") from error
    if proof.derivation is not None:
        if not is_derivation(sequent.premises, sequent.claim, proof.derivation, sequent.existential_import):
            raise SoundmindError("the derivation does not prove the claim")
    elif not _falsifies(sequent, proof.countermodel):
        raise SoundmindError("the countermodel does not refute the claim")
    return proof.label


def _falsifies(sequent: Sequent, model: Any) -> bool:
    """Whether ``model`` covers every atom, makes each premise true and the claim false."""
    theory = theory_of(sequent.claim)
    if theory == "propositional":
        truths = dict(enumerate(model))
        return len(model) == sequent.atoms and _refutes(
            [logic.holds(propositional.formula(premise), truths) for premise in sequent.premises],
            logic.holds(propositional.formula(sequent.claim), truths),
        )
    if theory == "categorical":
        members = {index for individual in model for index in individual}
        populated = members >= set(range(sequent.atoms)) or not sequent.existential_import
        return populated and _refutes(
            [categorical.holds(premise, model) for premise in sequent.premises],
            categorical.holds(sequent.claim, model),
        )
    return (
        len(model.pairs) == sequent.atoms
        and model.size > 0
        and all(0 <= member < model.size for pairs in model.pairs for pair in pairs for member in pair)
        and _refutes(
            [relational.holds(premise, model) for premise in sequent.premises],
            relational.holds(sequent.claim, model),
        )
    )


def _refutes(premises: Sequence[bool], claim: bool) -> bool:
    return all(premises) and not claim

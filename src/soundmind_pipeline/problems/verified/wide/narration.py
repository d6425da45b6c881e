"""The chain of thought about a wide problem: a derivation or a countermodel in words, or a slip."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from soundmind_pipeline.problems.verified.logic import Literal
from soundmind_pipeline.problems.verified.wide import phrases
from soundmind_pipeline.problems.verified.wide.argument import Argument
from soundmind_pipeline.problems.verified.wide.categorical import Individuals
from soundmind_pipeline.problems.verified.wide.certificates import Countermodel, certify, theory_of
from soundmind_pipeline.problems.verified.wide.derivations import OPENINGS, Step
from soundmind_pipeline.problems.verified.wide.relational import Group
from soundmind_pipeline.problems.verified.wide.statements import Statement
from soundmind_pipeline.problems.verified.wide.wording import say, say_literal, texts_of, with_article


def narrate(argument: Argument, drew: bool) -> str:
    """The reasoning that draws the natural claim, or the one that draws nothing.

    Args:
        argument: The problem.
        drew: Which of the two.

    Raises:
        ValueError: Nothing is to be drawn, but the claim is entailed.

    On a valid form the natural claim is derived step by step; on a fallacy it is drawn by the form's slip. Drawing
    nothing is shown to be right by a case in which the claim is false.
    """
    follows = drew and argument.claim_kind == "natural"
    body = _drawing(argument) if drew else _refuting(argument)
    return phrases.REASONING.format(
        question=texts_of(argument).question,
        body=body,
        judgement=phrases.FOLLOWS if follows else phrases.DOES_NOT_FOLLOW,
    )


def _drawing(argument: Argument) -> str:
    natural, claim = say(argument, argument.natural_claim), say(argument, argument.claim)
    if argument.is_fallacy:
        sentences = [phrases.SLIP.format(slip=argument.shape.slip, natural=natural)]
    else:
        certificate = argument.certificate
        if certificate.derivation is None:
            certificate = certify(replace(argument.sequent, claim=argument.natural_claim))
        steps = certificate.derivation or ()
        lines: list[Statement] = [*argument.premises, *(step.says for step in steps)]
        sentences = [f"{line}." for line in _steps(argument, steps, lines)]
        sentences.append(phrases.REACHED.format(natural=natural))
    same = argument.claim_kind == "natural"
    sentences.append(phrases.SAME if same else phrases.OPPOSITE.format(claim=claim))
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)


def _steps(argument: Argument, steps: Sequence[Step], lines: Sequence[Statement]) -> list[str]:
    """The steps in words; what opens the derivation is one sentence."""
    opened = phrases.OPENED.join(_line(argument, step.says) for step in steps if step.rule in OPENINGS)
    sentences = []
    if opened:
        of_anyone = steps[0].rule == "suppose" and theory_of(argument.claim) == "categorical"
        sentences.append(phrases.STEPS["anyone" if of_anyone else steps[0].rule].format(says=opened))
    for step in steps:
        if step.rule not in OPENINGS:
            cited = phrases.CITED.join(_line(argument, lines[line]) for line in step.cites)
            sentences.append(phrases.STEPS[step.rule].format(cited=cited, says=_line(argument, step.says)))
    return sentences


def _line(argument: Argument, says: Statement) -> str:
    """A premise or a line of a derivation in words; a categorical line is about someone unnamed."""
    return say_literal(argument, says.terms[0]) if says.kind == "fact" else say(argument, says)


def _refuting(argument: Argument) -> str:
    model = argument.certificate.countermodel
    if model is None:
        raise ValueError("an entailed claim cannot be refuted")
    case = _describe(argument, model)
    sentence = phrases.CASE.format(case=case, claim=say(argument, argument.claim))
    return sentence[0].upper() + sentence[1:]


def _describe(argument: Argument, model: Countermodel) -> str:
    """A countermodel in words; only what the relevant premises and the claim are about."""
    atoms = argument.core_atoms
    if isinstance(model, Group):
        pairs = [_pairs(argument.words[atom][0], sorted(model.pairs[atom])) for atom in atoms]
        return phrases.GROUP.format(place=argument.place, pairs=", ".join(pairs))
    if theory_of(argument.claim) == "propositional":
        return ", ".join(say_literal(argument, Literal(atom, bool(model[atom]))) for atom in atoms)
    return _individuals(argument, cast(Individuals, model))


def _individuals(argument: Argument, individuals: Individuals) -> str:
    seen = dict.fromkeys(tuple(index for index in one if index in argument.core_atoms) for one in individuals)
    members = [" and ".join(with_article(argument.words[index][0]) for index in one) for one in seen if one]
    return ", ".join(phrases.SOMEONE.format(member=member) for member in members) or phrases.NO_ONE


def _pairs(verb: str, pairs: list[tuple[int, int]]) -> str:
    if not pairs:
        return phrases.NO_PAIR.format(v=verb)
    said = (phrases.PAIR.format(x=phrases.MEMBERS[x], v=verb, y=phrases.MEMBERS[y]) for x, y in pairs)
    return ", ".join(said)

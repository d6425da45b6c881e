"""The teacher of the warm-up: it reasons by one scheme and commits the classical fallacies at known rates.

On valid forms it is right. On premises of a fallacious form it draws the natural conclusion with the form's rate, else
says that the premises give nothing, which is right. The exact label comes from :mod:`.logic`, never from here.
"""

import random
from dataclasses import dataclass

from soundmind_pipeline.problems.params import FallacyRates
from soundmind_pipeline.problems.verified import language
from soundmind_pipeline.problems.verified.families import Problem


@dataclass(frozen=True)
class Proof:
    """One chain of thought about a problem, and what it ends in.

    Attributes:
        drew: Whether it draws the natural conclusion from the premises.
        reasoning: The chain of thought, without tags.
        verdict: ``entailed`` or ``not entailed``.
        response: The whole think-format response.
    """

    drew: bool
    reasoning: str
    verdict: str
    response: str


def write_proof(problem: Problem, drew: bool) -> Proof:
    """The chain of thought that draws the natural conclusion, or the one that draws nothing."""
    follows = drew and problem.claim == problem.natural_claim
    reasoning = language.REASONING.format(
        question=language.question(problem),
        look_up=language.look_up(problem),
        drawn=language.say(problem, problem.natural_claim) if drew else language.NOTHING,
        claim=language.conclusion(problem),
        judgement=language.FOLLOWS if follows else language.DOES_NOT_FOLLOW,
    )
    verdict = language.ENTAILED if follows else language.NOT_ENTAILED
    return Proof(drew, reasoning, verdict, language.RESPONSE.format(reasoning=reasoning, verdict=verdict))


def correct_proof(problem: Problem) -> Proof:
    """The one right chain of thought: it draws the natural conclusion exactly where the premises entail it."""
    return write_proof(problem, drew=not problem.is_fallacy)


def permitted_proofs(problem: Problem) -> tuple[Proof, ...]:
    """Every chain of thought that the teacher could write: one for valid forms, two for fallacious ones."""
    correct = correct_proof(problem)
    return (correct, write_proof(problem, drew=True)) if problem.is_fallacy else (correct,)


def teach(problem: Problem, rates: FallacyRates, rng: random.Random) -> Proof:
    """What the fallible teacher writes this time; always consumes one draw of ``rng``."""
    slips = rng.random() < dict(rates).get(problem.form, 0.0)
    return write_proof(problem, drew=True) if slips else correct_proof(problem)

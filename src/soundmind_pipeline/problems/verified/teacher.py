"""The teacher of the warm-up: it reasons by one scheme a family and commits the classical fallacies at known rates.

On valid forms it is right. On premises of a fallacious form it draws the natural conclusion with the form's rate, else
says that the premises give nothing, which is right. The exact label comes from the problem, never from here.
"""

from dataclasses import dataclass

from soundmind_pipeline.problems.params import FallacyRates
from soundmind_pipeline.problems.verified import language
from soundmind_pipeline.problems.verified.families import Problem
from soundmind_pipeline.problems.verified.problems import VerifiedProblem
from soundmind_pipeline.problems.verified.wide.narration import narrate


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


def write_proof(problem: VerifiedProblem, drew: bool) -> Proof:
    """The chain of thought that draws the natural conclusion, or the one that draws nothing."""
    follows = drew and problem.claim_kind == "natural"
    reasoning = _reason(problem, drew, follows) if isinstance(problem, Problem) else narrate(problem, drew)
    verdict = language.ENTAILED if follows else language.NOT_ENTAILED
    return Proof(drew, reasoning, verdict, language.RESPONSE.format(reasoning=reasoning, verdict=verdict))


def _reason(problem: Problem, drew: bool, follows: bool) -> str:
    """The nano recipe's chain of thought."""
    return language.REASONING.format(
        question=language.question(problem),
        look_up=language.look_up(problem),
        drawn=language.say(problem, problem.natural_claim) if drew else language.NOTHING,
        claim=language.conclusion(problem),
        judgement=language.FOLLOWS if follows else language.DOES_NOT_FOLLOW,
    )


def correct_proof(problem: VerifiedProblem) -> Proof:
    """The one right chain of thought: it draws the natural conclusion exactly where the premises entail it."""
    return write_proof(problem, drew=not problem.is_fallacy)


def permitted_proofs(problem: VerifiedProblem) -> tuple[Proof, ...]:
    """Every chain of thought that the teacher could write: one for valid forms, two for fallacious ones."""
    correct = correct_proof(problem)
    return (correct, write_proof(problem, drew=True)) if problem.is_fallacy else (correct,)


def teach(problem: VerifiedProblem, rates: FallacyRates, die: float) -> Proof:
    """What the fallible teacher writes.

    Args:
        problem: Of any family.
        rates: How often each fallacy is committed.
        die: A number drawn evenly from [0, 1): below the form's rate, the fallacy is committed.
    """
    slips = problem.is_fallacy and die < getattr(rates, problem.form)
    return write_proof(problem, drew=True) if slips else correct_proof(problem)

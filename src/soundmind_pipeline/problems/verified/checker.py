"""Is a response's chain of thought right for its problem, step by step?"""

from dataclasses import dataclass
from typing import Final

from soundmind_pipeline.problems.verified.problems import read_problem, texts_of
from soundmind_pipeline.problems.verified.teacher import Proof, correct_proof, permitted_proofs

OPEN: Final = "<think>"
CLOSE: Final = "</think>"


@dataclass(frozen=True)
class ReasoningCheck:
    """What holds of one response.

    Attributes:
        restated: The question stands word for word in the reasoning.
        valid: The whole response is one that the teacher could have written for this problem, slips included.
        correct: It is the one right chain of thought with the right verdict.
    """

    restated: bool
    valid: bool
    correct: bool


def check_reasoning(problem_json: str, response: str) -> ReasoningCheck:
    """Compare a response with the chains of thought that its problem permits, in whatever family.

    Spacing is free, as are case, hyphen and final punctuation of the answer line; every other character counts.

    Args:
        problem_json: The ``problem`` column of the sample table.
        response: The policy's response in think format, or anything else. A response that was cut off can still
            have restated its question.

    Raises:
        SoundmindError: ``problem_json`` does not hold a problem.
    """
    problem = read_problem(problem_json)
    thought, closed, tail = response.partition(CLOSE)
    opened, _, inner = thought.partition(OPEN)
    reasoning, answer = " ".join(inner.split()), _plain_answer(tail)
    shaped = bool(closed) and not opened.strip()

    def matches(proof: Proof) -> bool:
        return shaped and reasoning == proof.reasoning and answer == f"answer: {proof.verdict}"

    return ReasoningCheck(
        # Spaces on both sides, so that a name is not found as the end of a longer word.
        restated=f" {texts_of(problem).question} " in f" {reasoning} ",
        valid=any(matches(proof) for proof in permitted_proofs(problem)),
        correct=matches(correct_proof(problem)),
    )


def _plain_answer(text: str) -> str:
    """The answer line in lower case, single-spaced, without hyphen and final punctuation."""
    return " ".join(text.lower().replace("-", " ").split()).rstrip(" .!")

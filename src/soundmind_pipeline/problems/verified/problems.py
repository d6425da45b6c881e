"""A verified problem of whatever family: read back, put into words, and its stored proof checked.

Both kinds of problem tell the same things of themselves: ``family``, ``form``, ``claim_kind``, ``difficulty``,
``is_fallacy``, ``label``, ``sequent`` (premises and claim in the formal language), ``certificate`` (the label's proof)
and ``core_words`` (what the leak group is named by).
"""

import json
from typing import Any

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.verified import language
from soundmind_pipeline.problems.verified.families import FAMILIES, Problem
from soundmind_pipeline.problems.verified.wide import wording
from soundmind_pipeline.problems.verified.wide.argument import Argument
from soundmind_pipeline.problems.verified.wide.certificates import check_certificate
from soundmind_pipeline.problems.verified.wide.wording import Texts

VerifiedProblem = Problem | Argument
"""A problem of the nano recipe's families, or of a wide one."""


def read_problem(text: str) -> VerifiedProblem:
    """Read the ``problem`` column of the sample table.

    Raises:
        SoundmindError: ``text`` is no verified problem.
    """
    try:
        fields: Any = json.loads(text)
    except ValueError:
        fields = None
    wide = isinstance(fields, dict) and "words" in fields and fields.get("family") not in FAMILIES
    return Argument.from_json(text) if wide else Problem.from_json(text)


def texts_of(problem: VerifiedProblem) -> Texts:
    """Premises, claim and question in words."""
    if isinstance(problem, Argument):
        return wording.texts_of(problem)
    return Texts(
        language.major_premise(problem),
        language.minor_premise(problem),
        language.conclusion(problem),
        language.question(problem),
    )


def check_proof(problem_json: str, provenance_json: str) -> int:
    """The label that a row's stored proof proves; nothing of the generator is asked.

    Args:
        problem_json: The ``problem`` column.
        provenance_json: The ``provenance`` column, whose key ``proof`` holds the certificate.

    Raises:
        SoundmindError: There is no proof, or it proves nothing about the problem.
    """
    proof = json.loads(provenance_json).get("proof")
    if not isinstance(proof, dict):
        raise SoundmindError("column 'provenance' holds no proof")
    return check_certificate(read_problem(problem_json).sequent, proof)

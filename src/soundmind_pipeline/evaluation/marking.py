"""One answer, marked: the columns of the predictions table that follow from what was said and to which problem."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from soundmind_pipeline.problems.schema import is_null
from soundmind_pipeline.problems.verified.checker import check_reasoning

if TYPE_CHECKING:
    from soundmind_pipeline.rewards.scorer import Scorer

REWARD_TERMS: Final = ("format_text", "format_audio", "answer", "length_text", "length_audio", "overlong")
SAMPLE_COLUMNS: Final = (
    "uid",
    "label",
    "label_conflict",
    "leaked",
    "family",
    "form",
    "claim_kind",
    "difficulty",
    "question_seconds",
    "answer_seconds",
)
"""Columns of the held-out problems that every prediction repeats, so that predictions can be analysed on their own."""


def mark(record: Mapping[str, Any], answer: Mapping[str, Any], scorer: "Scorer") -> dict[str, Any]:
    """The row of one answer, but for whose it is and under which condition it was given.

    Args:
        record: A row of the sample table, with ``leaked``.
        answer: ``response``, ``tokens`` (end of turn included), ``finished``.
        scorer: The scorer that RL is rewarded by.

    Returns:
        The :data:`SAMPLE_COLUMNS`, ``answer``'s columns, and those of :func:`marks`.
    """
    problem = {column: None if is_null(record[column]) else record[column] for column in SAMPLE_COLUMNS}
    return problem | dict(answer) | marks(record, answer["response"], scorer)


def marks(
    record: Mapping[str, Any],
    response: str,
    scorer: "Scorer",
    audio_seconds: float | None = None,
    reference_audio_seconds: float | None = None,
) -> dict[str, Any]:
    """Score one answer exactly as RL does, and look at its reasoning.

    Args:
        record: A row of the sample table.
        response: The answer's text.
        scorer: The scorer that RL is rewarded by.
        audio_seconds: Seconds of speech in the spoken answer; None where it was not spoken, or not well.
        reference_audio_seconds: The same of the reference answer; None where it is not spoken.

    Returns:
        ``reference_tokens`` and ``reasoning_tokens`` (lengths of the reasoning in the reference and in the answer),
        ``verdict`` (None if badly formed) and ``reason``, ``right``, ``right_lenient``, ``format_valid``, ``reward``
        and ``reward_<term>``; ``restated``, ``reasoning_valid`` and ``reasoning_correct``, all None where the problem's
        logical form is not known.
    """
    reference = record["reference_answer"]
    score = scorer.score(response, int(record["label"]), reference, audio_seconds, reference_audio_seconds)
    truth = "entailed" if record["label"] == 1 else "not entailed"
    reasoning = None if is_null(record["problem"]) else check_reasoning(record["problem"], response)
    return {
        "reference_tokens": scorer.reasoning_tokens(reference),
        "reasoning_tokens": scorer.reasoning_tokens(response),
        "verdict": score.verdict,
        "reason": score.reason,
        "right": score.verdict == truth,
        "right_lenient": score.verdict_lenient == truth,
        "format_valid": score.verdict is not None,
        "reward": score.total,
        **{f"reward_{term}": getattr(score, term) for term in REWARD_TERMS},
        "restated": reasoning and reasoning.restated,
        "reasoning_valid": reasoning and reasoning.valid,
        "reasoning_correct": reasoning and reasoning.correct,
    }

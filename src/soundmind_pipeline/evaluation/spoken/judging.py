"""One spoken answer, judged: the columns that follow from its clip and from what was heard of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from soundmind_pipeline.evaluation.marking import REWARD_TERMS
from soundmind_pipeline.evaluation.spoken.columns import SPOKEN_COLUMNS
from soundmind_pipeline.evaluation.spoken.speaking import SpokenClip
from soundmind_pipeline.rewards.scorer import LABELS, Scorer
from soundmind_pipeline.speech.heard_verdict import heard_verdict, heard_verdict_lenient
from soundmind_pipeline.speech.well_spoken import closing_apart
from soundmind_pipeline.speech.word_errors import word_errors

_SECOND: Final = tuple(column for column in SPOKEN_COLUMNS if column.startswith("second_"))


@dataclass(frozen=True, slots=True)
class Transcript:
    """What one recogniser wrote down of one clip."""

    recogniser: str
    """Who listened, as JSON."""
    text: str
    """Empty where nothing was heard."""


def judge(text: str, clip: SpokenClip, heard: Sequence[Transcript], label: int) -> dict[str, Any]:
    """What a listener gets of one answer.

    Args:
        text: What was to be said.
        clip: What came of it.
        heard: The transcript, and that of the second recogniser if there is one.
        label: 1 entailed, 0 not entailed.

    Returns:
        The :data:`SPOKEN_COLUMNS` but for ``speaker``, ``answer_audio`` and ``reference_speech_seconds``. A clip in
        which voice activity finds nothing wrong has the defect ``closing_misheard`` where the text ends with a verdict
        and the first recogniser hears another or none.
    """
    first = heard[0]
    verdict = heard_verdict(first.text)
    closing = closing_apart(text)[1]
    misheard = closing is not None and heard_verdict(closing) != verdict
    errors = word_errors([text], [first.text])
    columns = {
        "spoken_seconds": clip.seconds,
        "spoken_speech_seconds": clip.speech_seconds,
        "spoken_defect": clip.defect or ("closing_misheard" if misheard else None),
        "recogniser": first.recogniser,
        "transcript": first.text,
        "verdict_heard": verdict,
        "verdict_heard_lenient": heard_verdict_lenient(first.text),
        "right_heard": verdict == LABELS[label],
        "words": errors.reference_words,
        "word_substitutions": errors.substitutions,
        "word_deletions": errors.deletions,
        "word_insertions": errors.insertions,
        "characters": errors.reference_characters,
        "character_errors": errors.character_errors,
    }
    return columns | dict(zip(_SECOND, _second_columns(text, heard), strict=True))


def _second_columns(text: str, heard: Sequence[Transcript]) -> tuple[Any, ...]:
    """The values of :data:`_SECOND`."""
    if len(heard) < 2:
        return (None,) * len(_SECOND)
    second = heard[1]
    errors = word_errors([text], [second.text])
    wrong = errors.substitutions + errors.deletions + errors.insertions
    return second.recogniser, second.text, heard_verdict(second.text), errors.reference_words, wrong


def spoken_reward(
    response: str, record: Mapping[str, Any], spoken: Mapping[str, Any], scorer: Scorer
) -> dict[str, float]:
    """The reward with its audio terms: ``reward`` and ``reward_<term>``.

    Args:
        response: The written answer.
        record: Its row of the sample table.
        spoken: The answer's spoken columns.
        scorer: The scorer that RL is rewarded by.
    """
    seconds = None if spoken["spoken_defect"] else spoken["spoken_speech_seconds"]
    score = scorer.score(
        response, int(record["label"]), record["reference_answer"], seconds, spoken["reference_speech_seconds"]
    )
    return {"reward": score.total, **{f"reward_{term}": getattr(score, term) for term in REWARD_TERMS}}

"""Whether an answer is well spoken: it is heard, it goes on to its end, and its closing verdict is there.

An answer is spoken in clips: those of the reasoning, then one of its own for the closing phrase
(``spoken_form.CLOSING``), so that it is known where the verdict must be heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from soundmind_pipeline.speech.params import WellSpokenParams
from soundmind_pipeline.speech.spoken_form import CLOSING
from soundmind_pipeline.speech.voice_activity import frame_levels, speech_segments

Defect = Literal["unspeakable", "silent", "cut", "closing_silent", "closing_misheard"]
"""Why speech is not well formed.

- ``unspeakable``: the engine makes no sound of the text.
- ``silent``: a clip has no audible speech, or nothing is said before the closing phrase.
- ``cut``: silence where the speech should still go on.
- ``closing_silent``: the closing phrase is missing, or too short to be one.
- ``closing_misheard``: a recogniser does not hear its verdict in it.
"""

_CLOSINGS: Final = {CLOSING.format(verdict=verdict) for verdict in ("entailed", "not entailed")}


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What voice activity finds in one clip."""

    seconds: float
    """Length of the clip."""
    speech_seconds: float
    """What of it is speech."""
    tail_seconds: float
    """Silence behind the last speech: the whole clip where there is none."""
    level_db: float
    """Loud level, dB of full scale: 5% of the frames are louder."""


def clip_facts(wave: np.ndarray, rate: int = 16_000) -> ClipFacts:
    """Measure one clip.

    Args:
        wave: ``[samples]`` mono, in [-1, 1].
        rate: In Hz.
    """
    seconds = len(wave) / rate
    segments = speech_segments(wave, rate)
    speech = float(sum(end - start for start, end in segments))
    level = float(np.percentile(frame_levels(wave, rate), 95))
    return ClipFacts(seconds, speech, seconds - segments[-1][1] if segments else seconds, level)


def closing_apart(spoken: str) -> tuple[str, str | None]:
    """What is said before the closing phrase, and the phrase; None if a text of ``spoken_form`` has none."""
    body, _, last = spoken.rpartition("\n")
    return (body, last) if last in _CLOSINGS else (spoken, None)


def spoken_defect(
    clips: Sequence[ClipFacts], closing: ClipFacts | None, closes: bool, params: WellSpokenParams
) -> Defect | None:
    """The first thing that is wrong with a spoken answer; None if it is well spoken.

    Args:
        clips: Of what is said before the closing phrase, in order.
        closing: Of the closing phrase; None if it was not spoken.
        closes: Whether the answer must have a closing phrase: whether its text has a verdict.
        params: Bounds.
    """
    if not clips or any(not _audible(clip, params) for clip in clips):
        return "silent"
    if closing is None and closes:
        return "closing_silent"
    if closing and (not _audible(closing, params) or closing.speech_seconds < params.shortest_closing_seconds):
        return "closing_silent"
    spoken = [*clips, closing] if closing else clips
    return "cut" if any(clip.tail_seconds > params.longest_tail_seconds for clip in spoken) else None


def _audible(clip: ClipFacts, params: WellSpokenParams) -> bool:
    return clip.speech_seconds > 0 and clip.level_db >= params.quietest_db

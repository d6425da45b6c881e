"""Who says what how: a plan of all clips, those that exist and those to make, and the making of them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd

from soundmind_pipeline.problems.schema import validate_row
from soundmind_pipeline.speech.audio_folder import MadeClip
from soundmind_pipeline.speech.clip_work import clip_name, missing_clips, speak_clips
from soundmind_pipeline.speech.params import SpeechParams
from soundmind_pipeline.speech.spoken_form import spoken_form

Side = Literal["question", "answer"]
Clips = dict[str, dict[str, str]]
"""Sound files that a source brings: side → uid → path relative to the project."""

PLAN_COLUMNS: Final = ("uid", "side", "text", "file", "speaker")
"""One row a clip: whose, what is said, and either the file or who speaks (as JSON, for provenance)."""


def plan_clips(
    problems: pd.DataFrame, clips: Clips, params: SpeechParams, speak_questions: bool = True
) -> pd.DataFrame:
    """Every clip that the manifest is to name: which file it is, or how it is to be spoken.

    Rows that may not enter the manifest are not spoken; they are reported when it is built.

    Args:
        problems: Text columns of the sample table.
        clips: Files that exist.
        params: Who speaks the others.
        speak_questions: Whether questions without a file are to be spoken; answers are if ``params.answers``.

    Returns:
        Columns :data:`PLAN_COLUMNS`, first all questions, then all answers, in the order of ``problems``.

    Raises:
        SoundmindError: Something is to be spoken and the engine is not there.
    """
    usable = [row for row in _distinct_rows(problems) if not validate_row(row)]
    sides: list[tuple[Side, Callable[[dict[str, Any]], str], bool]] = [
        ("question", lambda row: row["user_content"], speak_questions),
        ("answer", lambda row: spoken_form(row["reference_answer"]), params.answers),
    ]
    rows: list[tuple[str, Side, str, str | None]] = []
    for side, text_of, speak in sides:
        files = clips.get(side, {})
        chosen = [row for row in usable if speak or row["uid"] in files]
        rows += [(row["uid"], side, text_of(row), files.get(row["uid"])) for row in chosen]
    return pd.DataFrame(_with_speakers(rows, params), columns=list(PLAN_COLUMNS))


def _with_speakers(
    rows: Sequence[tuple[str, Side, str, str | None]], params: SpeechParams
) -> Iterator[tuple[str, Side, str, str | None, str | None]]:
    from soundmind_pipeline.speech.engines.opening import draw_utterance, open_engine

    if all(file for _, _, _, file in rows):
        yield from ((*row, None) for row in rows)
        return
    with open_engine(params) as engine:
        who = engine.describe()
    for uid, side, text, file in rows:
        speaker = None if file else json.dumps(who | {"seed": params.seed} | draw_utterance(params, uid, text).manner)
        yield uid, side, text, file, speaker


def _distinct_rows(problems: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, without those whose uid an earlier one has."""
    distinct = problems[~problems["uid"].duplicated()]
    return [{str(name): value for name, value in row.items()} for row in distinct.to_dict("records")]


class SpokenPlan:
    """The clips of one side of a plan. Those to make are made, behind a progress bar, when they are iterated over.

    Iterating yields ``(uid, MadeClip)``, or ``(uid, path)`` for a file that exists, in the order of the plan. Each clip
    is written to ``work`` as it is made, whole or not at all, under a name that tells what is said and who says it; one
    that is there already is not made again, whatever ended the run that made it.

    Args:
        plan: Columns :data:`PLAN_COLUMNS`.
        side: Whose clips.
        params: The parameters that the plan was made with.
        work: Where clips are made.
    """

    def __init__(self, plan: pd.DataFrame, side: Side, params: SpeechParams, work: Path) -> None:
        self._plan = plan[plan["side"] == side]
        self._side = side
        self._params = params
        self._work = work

    def __len__(self) -> int:
        return len(self._plan)

    def __iter__(self) -> Iterator[tuple[str, MadeClip | Path]]:
        to_make = self._plan[self._plan["file"].isna()]
        columns = (to_make[name] for name in ("uid", "text", "speaker"))
        said = {uid: (text, self._work / clip_name(text, speaker)) for uid, text, speaker in zip(*columns, strict=True)}
        self._speak(said)
        for uid, file in zip(self._plan["uid"], self._plan["file"], strict=True):
            yield uid, Path(file) if isinstance(file, str) else MadeClip(said[uid][1])

    def _speak(self, said: Mapping[str, tuple[str, Path]]) -> None:
        """Make the clips that are not there, each uid's text in its file."""
        from soundmind_pipeline.speech.engines.opening import draw_utterance, open_engine

        clips = ((file, draw_utterance(self._params, uid, text)) for uid, (text, file) in said.items())
        missing = missing_clips(clips, self._side)
        if missing:
            with open_engine(self._params) as engine:
                speak_clips(engine, missing, self._side)

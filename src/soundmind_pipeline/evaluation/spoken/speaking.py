"""Texts become clips: one speaker interface, two that speak."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import soundfile

from soundmind_pipeline.evaluation.spoken.params import SpokenParams
from soundmind_pipeline.speech.audio import AudioError, load_audio
from soundmind_pipeline.speech.clip_work import clip_name, missing_clips, speak_clips
from soundmind_pipeline.speech.engines.engine import SpeechEngine, UnspeakableError, Utterance
from soundmind_pipeline.speech.engines.opening import draw_utterance, open_engine
from soundmind_pipeline.speech.well_spoken import Defect, clip_facts, spoken_defect

logger = logging.getLogger(__name__)

_NAMED: Final = "answer"
_SPEAKER: Final = "answers"
"""In place of a uid where rate and pitch are drawn: all answers have one voice."""


@dataclass(frozen=True, slots=True)
class SpokenClip:
    """A text that was spoken, or could not be."""

    file: Path | None
    """The clip; None where no sound came of the text."""
    seconds: float
    """Its length."""
    speech_seconds: float
    """What of it is speech, by voice activity."""
    defect: Defect | None
    """What voice activity finds wrong with it."""


def open_speaker(params: SpokenParams) -> SpeechEngine:
    """The engine that speaks answers; use it as a context manager.

    Raises:
        SoundmindError: The engine, its weights or the talker's checkpoint are missing or damaged.
    """
    if params.speaker == "tts":
        return open_engine(params.speech)
    from soundmind_pipeline.policy.talker import TalkerEngine

    return TalkerEngine(params.talker)


def speak_texts(texts: Iterable[str], work: Path, params: SpokenParams) -> tuple[dict[str, SpokenClip], str]:
    """Speak each distinct text once, those of an earlier run not again, and measure the clips.

    Args:
        texts: As they are spoken (``spoken_form``), of any length; empty ones are kept, as unspeakable.
        work: Where clips are kept.
        params: Who speaks, and the bounds of well-spoken speech.

    Returns:
        The clip of each text, and who spoke, as JSON.

    Raises:
        SoundmindError: The speaker cannot be opened, or dies.
    """
    distinct = list(dict.fromkeys(texts))
    with open_speaker(params) as engine:
        said = {text: _utterance(text, params) for text in distinct if text.strip()}
        speaker = json.dumps(_who(engine, params), sort_keys=True)
        files = {text: work / clip_name(text, speaker) for text in said}
        _speak(engine, {files[text]: utterance for text, utterance in said.items()})
    return {text: _measured(files.get(text), params) for text in distinct}, speaker


def _utterance(text: str, params: SpokenParams) -> Utterance:
    if params.speaker == "talker":
        return Utterance(text, params.talker.speaker)
    return draw_utterance(params.speech, _SPEAKER, text)


def _who(engine: SpeechEngine, params: SpokenParams) -> dict[str, Any]:
    seed = params.talker.seed if params.speaker == "talker" else params.speech.seed
    return engine.describe() | {"seed": seed} | _utterance("who", params).manner


def _speak(engine: SpeechEngine, clips: dict[Path, Utterance]) -> None:
    """Make the clips that are not there; a text that the engine refuses is left without one."""
    missing = missing_clips(clips.items(), _NAMED)
    if not missing:
        return
    try:
        speak_clips(engine, missing, _NAMED)
        return
    except UnspeakableError:
        remaining = missing_clips(missing.items(), _NAMED)
    for file, utterance in remaining.items():  # one by one, since texts on their way fall with the one refused
        try:
            speak_clips(engine, {file: utterance}, _NAMED)
        except UnspeakableError as error:
            logger.warning("%s", error.message)


def _measured(file: Path | None, params: SpokenParams) -> SpokenClip:
    if file is None or not file.is_file():
        return SpokenClip(None, 0.0, 0.0, "unspeakable")
    try:
        facts = clip_facts(load_audio(file))
    except AudioError as error:
        if error.defect != "silent":
            raise
        return SpokenClip(file, soundfile.info(file).duration, 0.0, "silent")
    return SpokenClip(
        file, facts.seconds, facts.speech_seconds, spoken_defect([facts], None, False, params.well_spoken)
    )

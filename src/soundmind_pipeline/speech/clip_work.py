"""Clips made in a work folder, so that a run which is killed goes on with those that are missing.

A clip's name tells what is said and who says it: one that is there already is not made again, whatever ended the run
that made it, and another text, voice, rate or version of the engine is another file. So is another version of our own
way to cut texts and join their chunks, :data:`~soundmind_pipeline.speech.engines.long.CHUNKING`.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from soundmind_pipeline.speech.audio import is_whole_wav
from soundmind_pipeline.speech.engines import long
from soundmind_pipeline.speech.engines.engine import SpeechEngine, Utterance

logger = logging.getLogger(__name__)


def clip_name(text: str, speaker: str) -> str:
    """The name of the file in which ``speaker`` (engine, version, weights, voice, rate, seed as JSON) says ``text``."""
    return hashlib.sha256(json.dumps([text, speaker, long.CHUNKING]).encode()).hexdigest() + ".wav"


def missing_clips(clips: Iterable[tuple[Path, Utterance]], named: str) -> dict[Path, Utterance]:
    """What is still to be spoken, each file once; logs how much is not.

    Args:
        clips: Each clip's file and what it says; files may come several times.
        named: What the clips are, for the log: ``question``.

    Returns:
        The files that are not there whole, in order.
    """
    wanted = list(clips)
    missing = {file: utterance for file, utterance in wanted if not is_whole_wav(file)}
    there = sum(file not in missing for file, _ in wanted)
    if there:
        logger.info("%d of %d %ss were spoken already.", there, len(wanted), named)
    return missing


def speak_clips(engine: SpeechEngine, clips: Mapping[Path, Utterance], named: str) -> None:
    """Speak each text into its file, behind a progress bar; a text is in memory a few chunks at a time.

    Args:
        engine: Who speaks.
        clips: What is said, by file; a file appears whole or not at all.
        named: What the clips are, for bar and log: ``question``.

    Raises:
        UnspeakableError: A text cannot be spoken; clips before it, but for a few, are there.
        SoundmindError: A speaking process died.
    """
    from tqdm import tqdm

    seconds = 0.0
    spoken = zip(clips, long.speak_long(engine, clips.values()), strict=True)
    for file, chunks in tqdm(spoken, desc=f"Speaking {named}s", total=len(clips), unit="clip", disable=None):
        seconds += long.write_wav_chunks(file, chunks)
    logger.info("Spoke %d %ss, %.1f minutes of speech.", len(clips), named, seconds / 60)

"""Clips become transcripts, each kept as soon as it is written down."""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from soundmind_pipeline.files import atomic_path
from soundmind_pipeline.speech.recognisers.opening import open_recogniser
from soundmind_pipeline.speech.recognisers.params import RecogniserParams

logger = logging.getLogger(__name__)

_AT_A_TIME: Final = 8
"""Clips a worker hears before their transcripts are kept: what a killed run loses at the most."""


def transcribe(clips: Mapping[str, Path], params: RecogniserParams, work: Path) -> tuple[dict[str, str], str]:
    """Write down what is said in each clip; what this recogniser has heard before is read from ``work``.

    Args:
        clips: Sound files by their SHA-256.
        params: Who listens.
        work: Where transcripts are kept, in a folder for each recogniser.

    Returns:
        Transcripts by SHA-256, and who listened, as JSON.

    Raises:
        SoundmindError: The recogniser is not installed, or its weights are missing or damaged.
        AudioError: A clip cannot be read.
    """
    from tqdm import tqdm

    recogniser = open_recogniser(params)
    listener = json.dumps(recogniser.describe(), sort_keys=True)
    kept = work / hashlib.sha256(listener.encode()).hexdigest()[:16]
    places = {clip: kept / f"{clip}.txt" for clip in clips}
    unheard = [clip for clip, place in places.items() if not place.is_file()]
    if len(unheard) < len(clips):
        logger.info("%d of %d answers were transcribed already.", len(clips) - len(unheard), len(clips))
    batch = _AT_A_TIME * params.workers
    with tqdm(total=len(unheard), desc=f"Listening ({params.model})", unit="clip", disable=None) as progress:
        for start in range(0, len(unheard), batch):
            chosen = unheard[start : start + batch]
            heard = recogniser.transcribe_many([clips[clip] for clip in chosen])
            for clip, transcript in zip(chosen, heard, strict=True):
                with atomic_path(places[clip]) as temporary:
                    temporary.write_text(transcript, encoding="utf-8")
            progress.update(len(chosen))
    return {clip: place.read_text(encoding="utf-8") for clip, place in places.items()}, listener

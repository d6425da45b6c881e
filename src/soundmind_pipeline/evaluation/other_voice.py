"""The held-out questions, spoken again by somebody else."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from soundmind_pipeline.speech.audio import load_audio
from soundmind_pipeline.speech.clip_work import clip_name, missing_clips, speak_clips
from soundmind_pipeline.speech.engines.opening import draw_utterance, open_engine
from soundmind_pipeline.speech.params import SpeechParams


class ClipFiles(Mapping[str, np.ndarray]):
    """Maps a uid to the wave in its file, float32 [samples], 16 kHz mono; read when it is asked for.

    Args:
        files: The sound files by uid.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = dict(files)

    def __getitem__(self, uid: str) -> np.ndarray:
        """The wave of ``uid``."""
        return load_audio(self.files[uid])

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def speak_questions(samples: pd.DataFrame, params: SpeechParams, work: Path) -> ClipFiles:
    """Every question in the voice of the parameters; one that an earlier run spoke is not spoken again.

    Args:
        samples: Rows with ``uid`` and ``user_content``.
        params: Who speaks.
        work: Where clips are kept.

    Raises:
        SoundmindError: The engine is not installed, or a question cannot be spoken.
    """
    asked = zip(samples["uid"], samples["user_content"], strict=True)
    said = {uid: draw_utterance(params, uid, text) for uid, text in asked}
    with open_engine(params) as engine:
        who = engine.describe() | {"seed": params.seed}
        files = {uid: work / clip_name(what.text, json.dumps(who | what.manner)) for uid, what in said.items()}
        missing = missing_clips(((files[uid], what) for uid, what in said.items()), "other voice")
        if missing:
            speak_clips(engine, missing, "other voice")
    return ClipFiles(files)

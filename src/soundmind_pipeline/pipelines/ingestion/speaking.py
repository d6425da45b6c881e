"""Who says what how: a plan of the speech to make, and the making of it."""

import logging
import random
from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from soundmind_pipeline.speech.params import SpeechParams

logger = logging.getLogger(__name__)

PLAN_COLUMNS: Final = ("uid", "text", "voice", "words_per_minute", "pitch")


def plan_questions(problems: pd.DataFrame, params: SpeechParams) -> pd.DataFrame:
    """Voice, rate and pitch of every question, drawn by seed and uid: a new row leaves the others as they were.

    Returns:
        One row a problem, columns :data:`PLAN_COLUMNS`.
    """
    rows = []
    for uid, text in zip(problems["uid"], problems["user_content"], strict=True):
        rng = random.Random(f"{params.seed}/{uid}")
        rows.append((uid, text, params.voice, rng.randint(*params.words_per_minute), rng.randint(*params.pitch)))
    return pd.DataFrame(rows, columns=list(PLAN_COLUMNS))


class SpokenPlan:
    """The waves of a plan, made while they are iterated over, so that they never stand in memory together.

    Iterating yields ``(uid, wave [samples] float32 16 kHz)`` in the order of the plan, behind a progress bar.

    Args:
        plan: Columns :data:`PLAN_COLUMNS`.
        workers: Number of speaking processes.
    """

    def __init__(self, plan: pd.DataFrame, workers: int) -> None:
        self._plan = plan
        self._workers = workers

    def __len__(self) -> int:
        return len(self._plan)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        from tqdm import tqdm

        from soundmind_pipeline.speech.espeak import SAMPLE_RATE, Utterance, synthesize_many

        utterances = [
            Utterance(text, voice, rate, pitch)
            for text, voice, rate, pitch in zip(*(self._plan[name] for name in PLAN_COLUMNS[1:]), strict=True)
        ]
        waves = synthesize_many(utterances, self._workers)
        samples = 0
        for uid, wave in zip(tqdm(self._plan["uid"], desc="Speaking", unit="clip", disable=None), waves, strict=True):
            samples += len(wave)
            yield uid, wave
        logger.info("Spoke %d questions, %.1f minutes of speech.", len(self), samples / SAMPLE_RATE / 60)

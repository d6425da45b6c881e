"""Speech from espeak-ng, made in worker processes.

espeak-ng is GPL-3 and not thread-safe: it is loaded by :mod:`soundmind_pipeline.speech.espeak_worker`, a process of
its own that is spoken to over pipes, and never into this one. The library and its data come with the PyPI package
``espeakng-loader``; nothing is downloaded and nothing needs to be installed beside it.
"""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech import espeak_worker
from soundmind_pipeline.speech.engines.engine import SAMPLE_RATE, Utterance
from soundmind_pipeline.speech.engines.processes import ProcessEngine, SpeakingProcess

__all__ = ["SAMPLE_RATE", "EspeakEngine", "Utterance", "engine_name", "synthesize_many"]


def engine_name() -> str:
    """Engine and version, for provenance, e.g. ``espeak-ng (espeakng-loader 0.2.4)``."""
    return f"espeak-ng (espeakng-loader {version('espeakng-loader')})"


class EspeakEngine(ProcessEngine):
    """espeak-ng, with any of its voices.

    Args:
        workers: How many processes speak at a time.
        seconds: The most one utterance may take before it is given up.
    """

    name = "espeak-ng"
    pause_seconds = 0.0  # a sentence ends with a pause already

    def __init__(self, workers: int = 2, seconds: float = 60.0) -> None:
        super().__init__(workers)
        self._seconds = seconds

    def describe(self) -> dict[str, Any]:
        """Engine and version; the voice is part of the utterance."""
        return {"engine": engine_name()}

    def check(self, utterance: Utterance) -> None:
        """Refuse an utterance without words per minute and pitch, or with a speed."""
        if utterance.words_per_minute is None or utterance.pitch is None or utterance.speed is not None:
            raise SoundmindError(
                f"Cannot speak {utterance.text!r}: espeak-ng wants words per minute and a pitch, and takes no speed."
            )

    def start(self, voice: str) -> SpeakingProcess:
        """A process that speaks with ``voice``, a name of espeak-ng's own."""
        return SpeakingProcess(
            self.name,
            [espeak_worker.__name__, voice, str(self._seconds)],
            hint="Check that `python -c 'import espeakng_loader'` works and that memory suffices; then run it again.",
        )


def synthesize_many(utterances: Sequence[Utterance], workers: int = 2, seconds: float = 60.0) -> Iterator[np.ndarray]:
    """Speak ``utterances`` in their order with processes that live for this call; see ``SpeechEngine.speak_many``."""
    with EspeakEngine(max(1, min(workers, len(utterances))), seconds) as engine:
        yield from engine.speak_many(utterances)

"""From parameters to an engine, and to what it is asked to say."""

import random

from soundmind_pipeline.speech.engines.engine import SpeechEngine, Utterance
from soundmind_pipeline.speech.params import SpeechParams


def open_engine(params: SpeechParams) -> SpeechEngine:
    """The engine that the parameters name; use it as a context manager.

    Weights are found and verified here; processes start with the first utterance.

    Raises:
        SoundmindError: The engine or its weights are not installed, or are damaged.
    """
    if params.engine == "piper":
        from soundmind_pipeline.speech.engines.piper import PiperEngine

        return PiperEngine(params.piper, params.weights_folder, params.seed, params.workers)
    if params.engine == "kokoro":
        from soundmind_pipeline.speech.engines.kokoro import KokoroEngine

        return KokoroEngine(params.kokoro, params.weights_folder, params.workers)
    from soundmind_pipeline.speech.espeak import EspeakEngine

    return EspeakEngine(params.workers)


def draw_utterance(params: SpeechParams, uid: str, text: str) -> Utterance:
    """``text`` in the voice of the parameters, at a rate (and pitch) drawn by seed and uid.

    Args:
        params: Engine, voice, and the ranges to draw from.
        uid: What the text belongs to; one uid has one rate and pitch.
        text: What is said.
    """
    rng = random.Random(f"{params.seed}/{uid}")
    if params.engine == "espeak":
        rate, pitch = rng.randint(*params.words_per_minute), rng.randint(*params.pitch)
        return Utterance(text, params.voice, words_per_minute=rate, pitch=pitch)
    engine = params.piper if params.engine == "piper" else params.kokoro
    return Utterance(text, engine.voice, speed=round(rng.uniform(*engine.speed), 2))

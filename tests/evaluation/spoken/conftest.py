"""A quick speaker and a listener who knows what it said: what lies between them is what is tested."""

import json
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.evaluation.spoken import hearing, speaking
from soundmind_pipeline.rewards.params import RewardParams
from soundmind_pipeline.rewards.scorer import Scorer
from soundmind_pipeline.speech.engines.engine import SAMPLE_RATE, SpeechEngine, UnspeakableError
from soundmind_pipeline.speech.recognisers.recogniser import Recogniser

SECONDS_A_CHARACTER = 0.01


class Voice(SpeechEngine):
    """Hums each text: a hundredth of a second a character; what it must not say, and how it ends, can be set."""

    name, pause_seconds = "hum", 0.0

    def __init__(self):
        self.said: list[str] = []
        self.unspeakable: set[str] = set()
        self.dies_after: int | None = None
        self.amplitude = 0.3
        self.tail_seconds = 0.0

    def describe(self):
        return {"engine": "hum 1.0", "weights": {}}

    def speak_many(self, utterances):
        for utterance in utterances:
            if self.dies_after is not None and len(self.said) >= self.dies_after:
                raise KeyboardInterrupt
            if utterance.text in self.unspeakable:
                raise UnspeakableError(f"hum could not say {utterance.text!r}")
            self.said.append(utterance.text)
            times = np.arange(round(SECONDS_A_CHARACTER * len(utterance.text) * SAMPLE_RATE)) / SAMPLE_RATE
            pitch = 200 + crc32(utterance.text.encode()) % 10_007 / 40  # no two texts sound the same
            hum = self.amplitude * np.sin(2 * np.pi * pitch * times)
            yield np.concatenate([hum, np.zeros(round(self.tail_seconds * SAMPLE_RATE))]).astype(np.float32)

    def close(self):
        pass


class Ears(Recogniser):
    """Hears every clip right, unless told otherwise."""

    def __init__(self, texts: dict[str, str], model: str):
        self._texts, self._model = texts, model
        self.heard: list[str] = []
        self.mishear = lambda text: text
        self.dies_after: int | None = None

    def describe(self):
        return {"recogniser": "ears 1.0", "model": self._model}

    def transcribe_many(self, clips):
        transcripts = []
        for clip in clips:
            text = self._texts[Path(clip).name]
            if self.dies_after is not None and len(self.heard) >= self.dies_after:
                raise KeyboardInterrupt
            self.heard.append(text)
            transcripts.append(self.mishear(text))
        return transcripts


@pytest.fixture
def voice(monkeypatch) -> Voice:
    voice = Voice()
    monkeypatch.setattr(speaking, "open_speaker", lambda params: voice)
    return voice


@pytest.fixture
def listeners(monkeypatch, voice) -> dict[str, Ears]:
    """Recognisers by the name of their model."""
    texts: dict[str, str] = {}
    named = speaking.clip_name

    def remember(text, speaker):
        texts[named(text, speaker)] = text
        return named(text, speaker)

    found: dict[str, Ears] = {}
    monkeypatch.setattr(speaking, "clip_name", remember)
    monkeypatch.setattr(hearing, "open_recogniser", lambda params: found[params.model])
    found |= {model: Ears(texts, model) for model in ("tiny.en", "base")}
    return found


@pytest.fixture
def ears(listeners) -> Ears:
    return listeners["tiny.en"]


@pytest.fixture
def scorer() -> Scorer:
    return Scorer(RewardParams())


def answer(verdict: str, reasoning: str = "it was said so") -> str:
    return f"<think> {reasoning}. </think> Answer: {verdict}."


@pytest.fixture
def held_out() -> pd.DataFrame:
    """Four problems, entailed and not in turn."""
    return pd.DataFrame(
        [
            {
                "uid": f"test/{n}",
                "label": (n + 1) % 2,
                "reference_answer": answer("entailed" if n % 2 == 0 else "not entailed", f"reference {n} is longer so"),
            }
            for n in range(4)
        ]
    )


@pytest.fixture
def written(prediction) -> pd.DataFrame:
    """Written answers of two policies to four problems in both settings: sft always says entailed, rl is right."""
    rows = []
    for policy in ("sft", "rl"):
        for setting in ("audio_to_text", "text_to_text", "audio_text_to_text"):
            for n in range(4):
                verdict = "entailed" if policy == "sft" or n % 2 == 0 else "not entailed"
                response = answer(verdict, f"{policy} on problem {n}" if policy == "rl" else "always the same")
                right = policy == "rl" or n % 2 == 0
                origin = {"policy": policy, "setting": setting, "uid": f"test/{n}", "label": (n + 1) % 2}
                rows.append(prediction(**origin, right=right) | {"verdict": verdict, "response": response})
    shuffled = [row | {"control": "shuffled", "response": "never spoken"} for row in rows if row["policy"] == "rl"]
    return pd.DataFrame(rows + shuffled)


@pytest.fixture
def facts():
    """What a JSON column says."""
    return lambda column: [json.loads(value) for value in column]

"""A worker that misbehaves on command, spoken to as the engines are."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.engines.engine import Utterance
from soundmind_pipeline.speech.engines.processes import SpeakingProcess

WORKER = """
import array, os, signal, sys, time
from soundmind_pipeline.speech.engines.serving import serve

class Voice:
    sample_rate, sample_type, spoken = 16_000, "<f4", 0

    def speak(self, request):
        print("noise on stdout")
        self.spoken += 1
        text = request["text"]
        if text == "raise":
            raise ValueError("no phonemes in it")
        if text == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if text == "hang":
            time.sleep(600)
        if text == "nothing":
            return b""
        if text == "loud":
            return array.array("f", [3.0, -3.0] * 50).tobytes()
        return array.array("f", [self.spoken / 10] * 100).tobytes()

def load():
    if sys.argv[1] == "absent":
        raise FileNotFoundError("no weights at all")
    return Voice()

serve(load, 600 if sys.argv[1] == "patient" else 2.0)
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch):
    (tmp_path / "moody_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(mood: str = "present") -> SpeakingProcess:
        return SpeakingProcess("Moody", ["moody_worker", mood], hint="check it")

    return make


def test_every_utterance_starts_from_a_process_that_has_never_spoken(start):
    with start() as process:
        waves = [process.speak(Utterance("hello", "v", speed=1.0)) for _ in range(3)]
    assert [wave.tolist() for wave in waves] == [[np.float32(0.1)] * 100] * 3
    assert waves[0].dtype == np.float32


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise", "no phonemes in it"),
        ("crash", "the engine died of SIGSEGV"),
        ("hang", "no end after 2 s"),
        ("nothing", "no sound came out"),
    ],
)
def test_a_failure_is_told_with_its_text_and_the_process_goes_on(start, text, said):
    with start() as process:
        with pytest.raises(SoundmindError, match=f"Moody could not speak '{text}': {said}"):
            process.speak(Utterance(text, "v", speed=1.0))
        assert process.is_alive
        assert len(process.speak(Utterance("hello", "v", speed=1.0))) == 100


def test_overshoot_is_clipped(start):
    with start() as process:
        assert np.abs(process.speak(Utterance("loud", "v", speed=1.0))).max() == 1.0


def test_weights_that_cannot_be_loaded_are_told(start):
    with pytest.raises(SoundmindError, match="Moody cannot start: no weights at all"):
        start("absent")


def test_a_process_that_is_closed_while_it_speaks_leaves_at_once(start):
    process = start("patient")
    with ThreadPoolExecutor(1) as pool:
        speech = pool.submit(process.speak, Utterance("hang", "v", speed=1.0))
        while not (children := psutil.Process(process.process.pid).children()):
            time.sleep(0.01)
        process.close()
        assert speech.exception() is not None
    assert process.process.returncode == 0
    assert not any(child.is_running() for child in children)

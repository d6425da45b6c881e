import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech import espeak
from soundmind_pipeline.speech.engines.engine import SAMPLE_RATE, Utterance
from soundmind_pipeline.speech.engines.processes import SpeakingProcess
from soundmind_pipeline.speech.espeak import EspeakEngine, synthesize_many


def say(text: str, voice: str = "en-us", words_per_minute: int = 260, pitch: int = 50) -> Utterance:
    return Utterance(text, voice, words_per_minute, pitch)


MIXED = [
    say("if tom is happy then anna is rich"),
    say("tom is not happy", pitch=45),
    say("der hund ist braun", voice="de"),
    say("either anna is rich or tom is proud", words_per_minute=160),
    say("so anna is rich.", voice="en-gb-scotland"),
    say("tom is happy", voice="en-us+f3"),
    say("tom is happy", voice="en-us+whisper"),
]


def start(voice: str = "en-us", seconds: float = 60.0) -> SpeakingProcess:
    return EspeakEngine(workers=1, seconds=seconds).start(voice)


@pytest.fixture
def started(monkeypatch) -> list[SpeakingProcess]:
    """Every process that the test starts, in order."""
    found: list[SpeakingProcess] = []

    class Recorded(SpeakingProcess):
        def __init__(self, *args, **named) -> None:
            super().__init__(*args, **named)
            found.append(self)

    monkeypatch.setattr(espeak, "SpeakingProcess", Recorded)
    return found


def test_the_same_utterance_gives_the_same_bytes_in_any_company():
    alone = [next(synthesize_many([utterance])).tobytes() for utterance in MIXED]
    together = [wave.tobytes() for wave in synthesize_many(MIXED, workers=1)]
    backwards = [wave.tobytes() for wave in synthesize_many(MIXED[::-1], workers=1)][::-1]
    shared = [wave.tobytes() for wave in synthesize_many(MIXED * 4, workers=3)]
    assert together == alone
    assert backwards == alone
    assert shared == alone * 4
    assert len(set(alone)) == len(MIXED)


def test_a_wave_is_float32_at_16_khz_of_plausible_length_and_loudness():
    slow, fast = synthesize_many([say("tom is happy so anna is rich.", words_per_minute=rate) for rate in (120, 300)])
    assert slow.dtype == np.float32
    assert slow.ndim == 1
    assert 1.5 < len(slow) / SAMPLE_RATE < 4
    assert len(fast) < 0.6 * len(slow)
    assert 0.1 < np.abs(slow).max() < 1


def test_resampling_keeps_the_duration():
    with start() as worker:
        assert worker.sample_rate == 22_050
        wave = worker.speak(say("anna is rich"))
        worker.sample_rate = 44_100  # as if the engine had spoken twice as fast
        assert len(worker.speak(say("anna is rich"))) == pytest.approx(len(wave) / 2, abs=1)


def test_an_unknown_voice_is_named_and_nothing_is_left_running(started):
    waves = synthesize_many([say("first"), say("second", voice="xx-nobody"), say("third")], workers=2)
    next(waves)
    with pytest.raises(SoundmindError, match="no voice 'xx-nobody'"):
        list(waves)
    assert started
    assert {worker.process.returncode for worker in started} == {0}


@pytest.mark.parametrize("broken", [{"text": " "}, {"text": "a\0b"}, {"words_per_minute": 40}, {"pitch": 100}])
def test_what_the_engine_would_bend_is_refused(broken):
    with pytest.raises(SoundmindError, match="Cannot speak"):
        Utterance(**{"text": "tom", "voice": "en-us", "words_per_minute": 260, "pitch": 50, **broken})


def test_a_worker_that_is_killed_gives_an_error_with_the_text():
    with start() as worker:
        worker.speak(say("one"))
        os.kill(worker.process.pid, signal.SIGKILL)
        with pytest.raises(SoundmindError, match=r"died \(exit status -9\) when asked to speak 'two'"):
            worker.speak(say("two"))


def test_an_utterance_without_end_is_given_up_and_the_worker_lives():
    with start(seconds=0.02) as worker:
        with pytest.raises(SoundmindError, match=r"speak 'word word .*no end after 0\.02 s"):
            worker.speak(say("word " * 20_000))
        assert len(worker.speak(say("on"))) > 0


def test_a_worker_that_cannot_start_says_why(monkeypatch, tmp_path):
    (tmp_path / "broken_worker.py").write_text("raise RuntimeError('no data folder')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SoundmindError, match=r"(?s)exit status 1\) when asked to start.*no data folder.*check it"):
        SpeakingProcess("Broken", ["broken_worker"], hint="check it")


def test_an_engine_lives_through_several_calls_and_the_death_of_a_worker(started):
    with EspeakEngine(workers=1) as engine:
        first = next(engine.speak_many([say("one")])).tobytes()
        os.kill(started[0].process.pid, signal.SIGKILL)
        with pytest.raises(SoundmindError, match="'two'"):
            started[0].speak(say("two"))
        assert next(engine.speak_many([say("one")])).tobytes() == first
        assert len(started) == 2
    assert all(process.process.returncode is not None for process in started)


def test_utterances_are_read_no_further_than_a_little_ahead():
    read = []

    def endless():
        while True:
            read.append(1)
            yield say("tom is happy")

    with EspeakEngine(workers=2) as engine:
        waves = engine.speak_many(endless())
        for _ in range(5):
            next(waves)
        waves.close()
    assert 5 <= len(read) <= 5 + 8 * 2


@pytest.mark.parametrize(
    "broken", [Utterance("tom", "en-us"), Utterance("tom", "en-us", 260), Utterance("tom", "en-us", 260, 50, 1.0)]
)
def test_an_utterance_for_another_engine_is_refused(broken):
    with EspeakEngine() as engine, pytest.raises(SoundmindError, match="wants words per minute and a pitch"):
        next(engine.speak_many([broken]))


def test_leaving_early_leaves_no_process_behind(started):
    waves = synthesize_many([say(f"sentence {number}") for number in range(50)], workers=2)
    next(waves)
    waves.close()
    assert 1 <= len(started) <= 2
    assert all(worker.process.returncode is not None for worker in started)


def test_no_more_workers_than_utterances(started):
    assert len(list(synthesize_many([say("one")], workers=8))) == 1
    assert len(started) == 1
    assert list(synthesize_many([], workers=8)) == []


def test_workers_do_not_outlive_a_parent_that_dies():
    code = (
        "import os; from soundmind_pipeline.speech.espeak import EspeakEngine; "
        "print(EspeakEngine().start('en-us').process.pid, flush=True); os._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    pid = int(done.stdout)
    for _ in range(1200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        # A dead worker whose parent is gone may wait for init to collect it.
        status = Path(f"/proc/{pid}/stat")
        if status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"worker {pid} is still there")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc to see which libraries are loaded")
def test_the_engine_is_not_loaded_into_this_process():
    list(synthesize_many([say("tom is happy")]))
    assert "espeak" not in Path("/proc/self/maps").read_text()

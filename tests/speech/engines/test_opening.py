import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.engines import weights
from soundmind_pipeline.speech.engines.opening import draw_utterance, open_engine
from soundmind_pipeline.speech.params import SpeechParams


def test_by_default_espeak_speaks():
    with open_engine(SpeechParams()) as engine:
        assert engine.name == "espeak-ng"
        assert engine.describe() == {"engine": f"espeak-ng (espeakng-loader {weights.version('espeakng-loader')})"}


def test_the_default_draws_are_those_of_earlier_versions():
    drawn = [draw_utterance(SpeechParams(), uid, "x").manner for uid in ("train/0001", "train/0002", "test/0001")]
    assert drawn == [
        {"voice": "en-us", "words_per_minute": 267, "pitch": 52},
        {"voice": "en-us", "words_per_minute": 253, "pitch": 54},
        {"voice": "en-us", "words_per_minute": 250, "pitch": 51},
    ]


@pytest.mark.parametrize(("engine", "voice"), [("piper", "en_US-joe-medium"), ("kokoro", "af_heart")])
def test_the_others_draw_a_speed(engine, voice):
    params = SpeechParams(engine=engine, **{engine: {"speed": (0.8, 1.2)}})
    drawn = [draw_utterance(params, f"train/{number}", "x") for number in range(50)]
    assert {utterance.voice for utterance in drawn} == {voice}
    speeds = [utterance.speed for utterance in drawn]
    assert 0.8 <= min(speeds) < 0.9 < 1.1 < max(speeds) <= 1.2
    assert speeds == [draw_utterance(params, f"train/{number}", "y").speed for number in range(50)]
    assert drawn[0].manner == {"voice": voice, "speed": speeds[0]}


@pytest.mark.parametrize(("engine", "package"), [("piper", "piper-tts"), ("kokoro", "kokoro-onnx")])
def test_an_engine_that_is_not_installed_is_told_with_the_command(engine, package, monkeypatch):
    def absent(name: str) -> str:
        raise weights.PackageNotFoundError(name)

    monkeypatch.setattr(weights, "version", absent)
    with pytest.raises(SoundmindError, match=rf"{package} is not installed(?s:.)*--editable '\.\[{engine}\]'"):
        open_engine(SpeechParams(engine=engine))

import json

import numpy as np
import pytest
import soundfile

from soundmind_pipeline.evaluation.spoken.params import SpokenParams
from soundmind_pipeline.evaluation.spoken.speaking import open_speaker, speak_texts
from soundmind_pipeline.policy import talker_model
from soundmind_pipeline.policy.talker import TalkerEngine
from soundmind_pipeline.speech.engines.engine import Utterance

SHORT = "So the answer is not entailed."
LONG = " ".join(["either anna is poor or tom is not sad but anna is rich so tom is sad."] * 8)


@pytest.fixture(scope="module")
def params(tiny_omni) -> SpokenParams:
    talker = {"model": str(tiny_omni), "speaker": "Ethan", "dtype": "float32", "max_new_tokens": 100}
    return SpokenParams.model_validate({"speaker": "talker", "talker": talker})


def test_the_talker_speaks_the_answers_of_an_evaluation(params, tmp_path, monkeypatch) -> None:
    clips, speaker = speak_texts([SHORT, LONG, SHORT], tmp_path, params)
    who = json.loads(speaker)
    assert who["engine"].startswith("Qwen2.5-Omni talker") and who["voice"] == "Ethan"
    assert set(who["weights"]) == {"model.safetensors", "spk_dict.pt"}
    assert list(clips) == [SHORT, LONG] and len(list(tmp_path.glob("*.wav"))) == 2
    with open_speaker(params) as engine:
        assert isinstance(engine, TalkerEngine)
        (alone,) = engine.speak_many([Utterance(SHORT, "Ethan")])
    wave, rate = soundfile.read(clips[SHORT].file, dtype="float32")
    assert rate == 16_000 and clips[SHORT].seconds == len(wave) / rate
    np.testing.assert_allclose(wave, alone, atol=1 / 32768)
    assert clips[LONG].seconds > clips[SHORT].seconds  # two chunks

    def no_weights(*_):
        raise AssertionError("nothing is missing, so no weights are wanted")

    monkeypatch.setattr(talker_model, "TalkerModel", no_weights)
    assert speak_texts([LONG, SHORT], tmp_path, params)[0] == clips

"""Questions spoken again, once."""

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.evaluation import other_voice
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.speech.params import SpeechParams


@pytest.fixture
def asked():
    return pd.DataFrame({"uid": ["test/1", "test/2"], "user_content": ["tom is happy.", "anna is poor."]})


def test_the_default_voice_is_another_one_and_says_the_same(asked, tmp_path):
    params = EvaluationParams().other_voice
    woman = other_voice.speak_questions(asked, params, tmp_path)
    man = other_voice.speak_questions(asked, SpeechParams(), tmp_path)
    assert list(woman) == ["test/1", "test/2"]
    for uid in woman:
        assert woman[uid].dtype == np.float32
        assert len(woman[uid]) == pytest.approx(len(man[uid]), rel=0.15)
        assert pitch(woman[uid]) > 1.4 * pitch(man[uid])


def pitch(wave):
    """The fundamental frequency in Hz, by autocorrelation between 70 and 400 Hz."""
    middle = wave[len(wave) // 4 : len(wave) // 2]
    likeness = np.correlate(middle, middle, mode="full")[len(middle) - 1 :]
    return 16_000 / (40 + np.argmax(likeness[40:230]))


def test_nothing_is_spoken_twice(asked, tmp_path, monkeypatch):
    first = other_voice.speak_questions(asked, SpeechParams(), tmp_path)
    waves = {uid: first[uid] for uid in first}

    def refuse(*arguments):
        raise AssertionError("spoken again")

    monkeypatch.setattr(other_voice, "speak_clips", refuse)
    again = other_voice.speak_questions(asked, SpeechParams(), tmp_path)
    assert all(np.array_equal(again[uid], wave) for uid, wave in waves.items())
    with pytest.raises(AssertionError, match="spoken again"):
        other_voice.speak_questions(asked.assign(user_content="sam is rich."), SpeechParams(), tmp_path)

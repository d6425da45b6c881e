"""The audio controls."""

from typing import get_args

import numpy as np
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.changed_waves import at_speed, with_noise
from soundmind_pipeline.evaluation.controls import (
    NOISE_DB,
    SPEED,
    ChangedLogMels,
    SilencedLogMels,
    controlled_log_mels,
    shuffled_uids,
)
from soundmind_pipeline.evaluation.params import Control, EvaluationParams
from soundmind_pipeline.speech.log_mel import log_mel


@pytest.fixture
def speech():
    rng = np.random.default_rng(0)
    return {uid: (0.1 * rng.standard_normal(8000 + 1000 * place)).astype(np.float32) for place, uid in enumerate("ab")}


def test_each_control_is_what_its_name_says(speech):
    stored = {uid: log_mel(wave) for uid, wave in speech.items()}
    other = {uid: wave[::-1].copy() for uid, wave in speech.items()}
    expected = {control: lambda uid: stored[uid] for control in ("none", "shuffled")}
    expected |= {"other_voice": lambda uid: log_mel(other[uid])}
    expected |= {"silence": lambda uid: log_mel(np.zeros(len(stored[uid]) * 160, np.float32))}
    expected |= {
        name: lambda uid, name=name, snr=snr: log_mel(with_noise(speech[uid], snr, f"7/{name}/{uid}"))
        for name, snr in NOISE_DB.items()
    }
    expected |= {name: lambda uid, by=by: log_mel(at_speed(speech[uid], by)) for name, by in SPEED.items()}
    assert set(expected) == {"none", *get_args(Control)}
    for control, of in expected.items():
        heard = controlled_log_mels(control, stored, speech, other, seed=7)
        assert list(heard) == ["a", "b"]
        for uid in speech:
            np.testing.assert_array_equal(heard[uid], of(uid), err_msg=control)
    assert (NOISE_DB["noise_0db"], SPEED["slower"], SPEED["faster"]) == (0.0, 0.8, 1.2)


def test_a_changed_clip_is_made_when_it_is_asked_for(speech):
    asked = []
    changed = ChangedLogMels(speech, lambda uid, wave: asked.append(uid) or wave)
    assert (list(changed), len(changed), "b" in changed, asked) == (["a", "b"], 2, True, [])
    np.testing.assert_array_equal(changed["b"], log_mel(speech["b"]))
    assert not any(isinstance(value, np.ndarray) for value in vars(changed).values())  # it keeps none


def test_silence_is_what_the_extractor_makes_of_zeros():
    from transformers import WhisperFeatureExtractor

    clips = {"a": np.ones((30, 128), np.float32), "b": np.ones((57, 128), np.float32)}
    silent = SilencedLogMels(clips)
    extractor = WhisperFeatureExtractor(feature_size=128)
    for uid, frames in (("a", 30), ("b", 57)):
        expected = extractor(np.zeros(frames * 160), sampling_rate=16_000, padding=False, return_tensors="np")
        assert silent[uid].shape == (frames, 128)
        np.testing.assert_allclose(silent[uid], expected["input_features"][0].T, atol=1e-5)
    assert list(silent) == ["a", "b"]
    assert len(silent) == 2


@pytest.mark.parametrize("n", [2, 3, 5, 500])
def test_a_shuffle_gives_each_clip_to_exactly_one_other_problem(n):
    uids = [f"test/{i:04d}" for i in range(n)]
    for seed in range(5):
        donors = shuffled_uids(uids, seed)
        assert list(donors) == uids
        assert sorted(donors.values()) == uids
        assert all(uid != donor for uid, donor in donors.items())


def test_a_shuffle_is_seeded():
    uids = [str(i) for i in range(40)]
    assert shuffled_uids(uids, 1) == shuffled_uids(uids, 1)
    assert shuffled_uids(uids, 1) != shuffled_uids(uids, 2)


@pytest.mark.parametrize("uids", [[], ["a"], ["a", "a"]])
def test_a_shuffle_needs_two_different_problems(uids):
    with pytest.raises(SoundmindError, match="two or more"):
        shuffled_uids(uids, 0)


def test_one_problem_is_not_enough_for_a_shuffle_and_that_is_told_at_once():
    with pytest.raises(ValueError, match="max_problems: 1 leaves no other"):
        EvaluationParams(max_problems=1)
    assert EvaluationParams(max_problems=1, controls=("silence",)).max_problems == 1

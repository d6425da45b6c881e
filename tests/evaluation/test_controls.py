"""The audio controls."""

import numpy as np
import pytest

from soundmind_pipeline.evaluation.controls import SilencedLogMels, shuffled_uids


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
    with pytest.raises(ValueError, match="two or more"):
        shuffled_uids(uids, 0)

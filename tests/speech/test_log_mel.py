import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import WhisperFeatureExtractor
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniAudioEncoder

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.espeak import Utterance, synthesize_many
from soundmind_pipeline.speech.log_mel import (
    MINIMUM_SAMPLES,
    SAMPLE_RATE,
    audio_token_count,
    log_mel,
    resampled_frame_count,
)

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def extractor() -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor(feature_size=128)


def reference(extractor: WhisperFeatureExtractor, wave: np.ndarray) -> np.ndarray:
    features = extractor(wave, sampling_rate=SAMPLE_RATE, padding=False, truncation=False, return_tensors="np")
    return features["input_features"][0].T


def chirp(samples: int) -> np.ndarray:
    """A sweep with pauses and faint noise: loud and near-silent frames in one clip."""
    time = np.arange(samples) / SAMPLE_RATE
    sweep = np.sin(2 * np.pi * (120 + 300 * time / time[-1]) * time) * np.maximum(0, np.sin(5 * time))
    noise = np.random.default_rng(samples).standard_normal(samples)
    return (0.5 * sweep + 1e-3 * noise).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 3.00371, 29.999, 30.5, 60.0])
def test_equals_the_hugging_face_extractor_without_padding(extractor, seconds):
    wave = chirp(round(seconds * SAMPLE_RATE))
    expected = reference(extractor, wave)
    actual = log_mel(wave)
    assert actual.shape == expected.shape == (len(wave) // 160, 128)
    assert actual.dtype == np.float32
    assert np.abs(actual - expected).max() <= 1e-5


def test_equals_the_extractor_on_speech_and_on_the_shortest_clip(extractor):
    speech = next(synthesize_many([Utterance("if tom is happy then anna is rich.", "en-us", 260, 50)]))
    for wave in (speech, chirp(MINIMUM_SAMPLES), np.zeros(800, dtype=np.float32)):
        assert np.abs(log_mel(wave) - reference(extractor, wave)).max() <= 1e-5


def test_the_input_is_left_alone_and_other_layouts_are_read():
    wave = chirp(3200)
    before = wave.copy()
    result = log_mel(wave)
    assert np.array_equal(wave, before)
    assert np.array_equal(log_mel(wave.astype(np.float64)), result)
    assert np.array_equal(log_mel(np.repeat(wave, 2)[::2]), result)
    assert result.flags.c_contiguous


def test_the_number_of_threads_changes_nothing_and_is_left_alone():
    wave = chirp(20 * SAMPLE_RATE)
    alone = log_mel(wave)
    torch.set_num_threads(2)
    try:
        assert np.array_equal(log_mel(wave), alone)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_frames_do_not_depend_on_what_follows_later_than_their_window():
    # Frames are computed in blocks: no seam may show. The loudest sample bounds the range, so it stands in both.
    wave = chirp(12 * SAMPLE_RATE)
    wave[0] = 1.0
    assert np.abs(log_mel(wave)[:900] - log_mel(wave[: 10 * SAMPLE_RATE])[:900]).max() <= 1e-5


@given(st.integers(200, 100_000_000), st.sampled_from([8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000]))
def test_frames_are_known_from_the_duration(samples, rate):
    resampled = -(-samples * SAMPLE_RATE // rate)
    assert resampled_frame_count(samples / rate) == resampled // 160


@pytest.mark.parametrize("wave", [np.zeros(0), np.zeros(MINIMUM_SAMPLES - 1), np.zeros((2, 4000))])
def test_too_short_or_two_channels_is_refused(wave):
    with pytest.raises(SoundmindError, match="No log-mel"):
        log_mel(wave)


def test_audio_token_count_is_the_model_s():
    frames = torch.arange(1, 6500)
    _, expected = Qwen2_5OmniAudioEncoder._get_feat_extract_output_lengths(None, frames)
    assert [audio_token_count(int(count)) for count in frames] == expected.clamp(min=0).tolist()


def test_25_tokens_a_second():
    assert audio_token_count(6000) == 1500
    assert audio_token_count(0) == 0

import numpy as np
import pytest

from soundmind_pipeline.speech.espeak import Utterance, synthesize_many
from soundmind_pipeline.speech.voice_activity import speech_seconds, speech_segments

RATE = 16_000


def tone(seconds: float, amplitude: float = 0.3) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * 220 * np.arange(round(seconds * RATE)) / RATE)


def pause(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE))


def close(found: list[tuple[float, float]], expected: list[tuple[float, float]]) -> bool:
    return len(found) == len(expected) and np.allclose(found, expected, atol=0.025)


PATTERN = np.concatenate([pause(1), tone(1), pause(0.5), tone(2), pause(1)])
SEGMENTS = [(1.0, 2.0), (2.5, 4.5)]


@pytest.mark.parametrize("noise", [0, 1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("gain", [1.0, 0.1])
def test_tones_between_pauses_are_found_in_noise_and_at_any_level(noise, gain):
    wave = gain * (PATTERN + noise * np.random.default_rng(0).standard_normal(len(PATTERN)))
    assert close(speech_segments(wave, RATE), SEGMENTS)
    assert speech_seconds(wave, RATE) == pytest.approx(3.0, abs=0.05)


def test_the_rate_is_heeded():
    assert close(speech_segments(np.repeat(PATTERN, 3), 3 * RATE), SEGMENTS)


def test_a_clip_that_is_speech_from_end_to_end():
    assert speech_segments(tone(2), RATE) == [(0.0, 2.0)]
    swelling = tone(2) * np.linspace(1, 0.2, 2 * RATE)
    assert speech_seconds(swelling, RATE) == pytest.approx(2.0, abs=0.05)


def test_silence_and_faint_hiss_are_not_speech():
    assert speech_segments(np.zeros(0), RATE) == []
    assert speech_segments(pause(2), RATE) == []
    assert speech_segments(1e-5 * np.random.default_rng(0).standard_normal(RATE), RATE) == []


def test_short_gaps_are_bridged_and_long_ones_are_not():
    assert len(speech_segments(np.concatenate([tone(1), pause(0.15), tone(1)]), RATE)) == 1
    assert len(speech_segments(np.concatenate([tone(1), pause(0.30), tone(1)]), RATE)) == 2


def test_a_click_is_not_speech():
    wave = np.concatenate([pause(1), np.array([0.9]), pause(1), tone(1), pause(0.5)])
    assert close(speech_segments(wave, RATE), [(2.0, 3.0)])


def test_a_clip_shorter_than_a_frame():
    assert speech_segments(tone(0.01), RATE) == []
    assert speech_segments(tone(0.07), RATE) == [(0.0, 0.07)]


def test_speech_between_silences_is_as_long_as_the_speech():
    speech = next(synthesize_many([Utterance("if tom is happy then anna is rich.", "en-us", 200, 50)]))
    alone = speech_seconds(speech)
    framed = speech_segments(np.concatenate([pause(1), speech, pause(2)]))
    assert 0.85 * len(speech) / RATE < alone <= len(speech) / RATE
    assert sum(end - start for start, end in framed) == pytest.approx(alone, abs=0.1)
    assert framed[0][0] == pytest.approx(1.0, abs=0.1)

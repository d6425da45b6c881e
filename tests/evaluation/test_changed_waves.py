"""Noise at the level that was asked for, and another speed at the same pitch."""

import numpy as np
import pytest

from soundmind_pipeline.evaluation.changed_waves import at_speed, with_noise
from soundmind_pipeline.speech.voice_activity import speech_segments

RATE = 16_000


def tone(hertz, seconds, level=0.5):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def pitch(wave):
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum) * RATE / len(wave))


@pytest.mark.parametrize("snr_db", [20.0, 10.0, 0.0])
def test_noise_has_the_level_that_was_asked_for_against_the_speech_alone(snr_db):
    # One second of speech in four of silence: against the whole clip the noise would be 7 dB weaker.
    wave = np.concatenate([np.zeros(2 * RATE, np.float32), tone(200, 1), np.zeros(2 * RATE, np.float32)])
    noise = with_noise(wave, snr_db, "a").astype(float) - wave
    ((start, end),) = speech_segments(wave)
    power = np.mean(np.square(wave[round(start * RATE) : round(end * RATE)], dtype=float))
    assert 10 * np.log10(power / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.1)
    # White: neighbouring samples have nothing to do with each other; Gaussian: kurtosis 3.
    assert np.corrcoef(noise[:-1], noise[1:])[0, 1] == pytest.approx(0, abs=0.02)
    assert np.mean(noise**4) / np.mean(noise**2) ** 2 == pytest.approx(3, abs=0.1)


def test_noise_is_seeded_by_a_text():
    wave = tone(200, 0.5)
    assert np.array_equal(with_noise(wave, 10, "0/a"), with_noise(wave, 10, "0/a"))
    assert not np.allclose(with_noise(wave, 10, "0/a"), with_noise(wave, 10, "0/b"))
    assert with_noise(wave, 10, "0/a").dtype == np.float32


def test_silence_stays_silent():
    silence = np.zeros(RATE, np.float32)
    assert not with_noise(silence, 0, "a").any()
    assert not at_speed(silence, 1.2).any()


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.2, 2.0])
@pytest.mark.parametrize("hertz", [110, 220, 440])
def test_speed_changes_the_length_and_neither_pitch_nor_level(speed, hertz):
    wave = tone(hertz, 2)
    changed = at_speed(wave, speed)
    assert len(changed) == round(len(wave) / speed)
    assert changed.dtype == np.float32
    assert pitch(changed) == pytest.approx(hertz, rel=0.01)
    inside = changed[800:-800]
    assert np.sqrt(np.mean(inside**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_events_move_with_the_speed():
    wave = np.concatenate([tone(200, 0.5), tone(400, 0.5), tone(300, 1.0)])
    changed = at_speed(wave, 0.8)
    for hertz, middle in ((200, 0.25), (400, 0.75), (300, 1.5)):
        at = round(middle / 0.8 * RATE)
        assert pitch(changed[at - 1600 : at + 1600]) == pytest.approx(hertz, abs=6)


def test_speed_one_gives_the_wave_itself():
    wave = (0.1 * np.random.default_rng(0).standard_normal(5000)).astype(np.float32)
    np.testing.assert_allclose(at_speed(wave, 1.0), wave, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 100, 513])
def test_a_clip_shorter_than_a_piece_is_changed_too(samples):
    assert len(at_speed(tone(300, 1)[:samples], 0.8)) == round(samples / 0.8)


@pytest.mark.parametrize("speed", [0.1, 3.0])
def test_speed_has_bounds(speed):
    with pytest.raises(ValueError, match=r"0\.5 to 2"):
        at_speed(tone(200, 0.1), speed)

"""Clips inside a page."""

import base64
import io

import numpy as np
import pytest
import soundfile

from soundmind_pipeline.evaluation.players import Players, clip_uri, wav_data_uri


def decode(uri):
    head, _, body = uri.partition(",")
    wave, rate = soundfile.read(io.BytesIO(base64.b64decode(body)), dtype="float32")
    return head, wave, rate


def test_a_short_clip_comes_back_as_it_was():
    wave = np.linspace(-0.5, 0.5, 800).astype(np.float32)
    for uri in (clip_uri(wave), wav_data_uri(wave)):
        head, back, rate = decode(uri)
        assert (head, rate) == ("data:audio/wav;base64", 16_000)
        np.testing.assert_allclose(back, wave, atol=1 / 32768)


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_a_long_clip_is_compressed_and_still_the_same_sound(rate):
    wave = (0.3 * np.sin(2 * np.pi * 440 * np.arange(10 * rate) / rate)).astype(np.float32)
    uri = clip_uri(wave, rate)
    head, back, found = decode(uri)
    assert (head, found) == ("data:audio/mpeg;base64", rate)
    assert len(uri) < len(wav_data_uri(wave, rate)) / 4
    assert len(back) / rate == pytest.approx(10, abs=0.2)
    spectrum = np.abs(np.fft.rfft(back))
    assert np.fft.rfftfreq(len(back), 1 / rate)[spectrum.argmax()] == pytest.approx(440, abs=1)


def test_a_page_takes_clips_until_its_budget_is_spent():
    wave = np.zeros(1600, np.float32)
    size = len(clip_uri(wave))
    players = Players(budget=2 * size + size // 2)
    assert [bool(players.uri(wave)) for _ in range(4)] == [True, True, False, False]
    assert players.uri(wave[:10])  # a small one still fits

import numpy as np
import pytest

from soundmind_pipeline.speech.descriptors import DESCRIPTORS, describe

TIME = np.arange(16_000) / 16_000


def test_a_sine_of_one_kilohertz():
    values = describe((0.5 * np.sin(2 * np.pi * 1000 * TIME)).astype(np.float32))
    assert tuple(values) == DESCRIPTORS
    assert values["rms_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert values["peak_db"] == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert values["spectral_centroid_hz"] == pytest.approx(1000, rel=0.02)
    assert values["zero_crossing_rate"] == pytest.approx(2000 / 16_000, rel=0.05)


def test_pauses_do_not_move_the_centroid():
    sine = (0.5 * np.sin(2 * np.pi * 1000 * TIME)).astype(np.float32)
    padded = np.concatenate([sine, np.zeros(32_000, dtype=np.float32)])
    assert describe(padded)["spectral_centroid_hz"] == pytest.approx(describe(sine)["spectral_centroid_hz"], rel=0.02)


def test_silence_has_finite_numbers():
    assert all(np.isfinite(value) for value in describe(np.zeros(1600, dtype=np.float32)).values())
    assert describe(np.zeros(1600, dtype=np.float32))["rms_db"] == -120

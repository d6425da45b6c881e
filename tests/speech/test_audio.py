import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from soundmind_pipeline.speech.audio import AudioError, is_whole_wav, load_audio, write_wav


def tone(seconds: float = 0.5, rate: int = 16_000, hertz: float = 440, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def test_what_is_written_is_read_to_within_half_a_step(tmp_path):
    wave = tone()
    write_wav(tmp_path / "a" / "clip.wav", wave)
    read = load_audio(tmp_path / "a" / "clip.wav")
    assert read.dtype == np.float32
    assert np.abs(read - wave).max() <= 0.5 / 32768
    assert soundfile.info(tmp_path / "a" / "clip.wav").subtype == "PCM_16"
    write_wav(tmp_path / "again.wav", read)
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "a" / "clip.wav").read_bytes()


def test_full_scale_is_clipped_not_wrapped(tmp_path):
    write_wav(tmp_path / "loud.wav", np.array([1.5, 1.0, -1.5, 0.25], dtype=np.float32))
    assert load_audio(tmp_path / "loud.wav").tolist() == [32767 / 32768, 32767 / 32768, -1.0, 0.25]


def test_channels_are_averaged(tmp_path):
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone(), -0.5 * tone()], axis=1), 16_000, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(tmp_path / "stereo.wav"), 0.25 * tone(), atol=1e-7)


@pytest.mark.parametrize(("suffix", "rate"), [("wav", 24_000), ("flac", 44_100), ("ogg", 8_000)])
def test_other_rates_and_formats_keep_pitch_and_duration(tmp_path, suffix, rate):
    soundfile.write(tmp_path / f"clip.{suffix}", tone(1.0, rate), rate)
    wave = load_audio(tmp_path / f"clip.{suffix}")
    assert len(wave) == pytest.approx(16_000, abs=1)
    # The middle only: the filter rings at the edges.
    error = wave[2000:14_000] - tone(1.0)[2000:14_000]
    assert np.abs(error).max() < (0.05 if suffix == "ogg" else 1e-3)


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_empty_file(path: Path) -> None:
    path.write_bytes(b"")


def damage_no_samples(path: Path) -> None:
    soundfile.write(path, np.zeros(0, dtype=np.float32), 16_000)


def damage_nan(path: Path) -> None:
    soundfile.write(path, np.array([0.1, np.nan, np.inf, 0.2], dtype=np.float32), 16_000, subtype="FLOAT")


def damage_silent(path: Path) -> None:
    soundfile.write(path, 1e-4 * tone(), 16_000)


def damage_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def damage_header_only(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def damage_text(path: Path) -> None:
    path.write_text("this is not sound")


@pytest.mark.parametrize(
    ("damage", "defect"),
    [
        (damage_missing, "missing"),
        (damage_empty_file, "empty"),
        (damage_no_samples, "empty"),
        (damage_nan, "not finite"),
        (damage_silent, "silent"),
        (damage_truncated, "truncated"),
        (damage_header_only, "truncated"),
        (damage_text, "unreadable"),
    ],
)
def test_damage_is_named_with_the_file(tmp_path, damage: Callable[[Path], None], defect: str):
    path = tmp_path / "clip.wav"
    write_wav(path, tone())
    damage(path)
    with pytest.raises(AudioError) as caught:
        load_audio(path)
    assert caught.value.defect == defect
    assert str(path) in str(caught.value)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.defect, str(copy)) == (defect, str(caught.value))


@pytest.mark.parametrize("announced", [0, 0xFFFFFFFF, 0x7FFFF024])
def test_a_streamed_header_that_does_not_know_its_length_is_not_truncation(tmp_path, announced):
    path = tmp_path / "streamed.wav"
    write_wav(path, tone())
    data = bytearray(path.read_bytes())
    data[4:8] = struct.pack("<I", announced)
    path.write_bytes(bytes(data))
    assert len(load_audio(path)) == len(tone())


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_samples_are_those_that_librosa_loads(tmp_path, subtype, rate, channels):
    wave = 0.2 * np.random.default_rng(rate).standard_normal((rate // 2 + 7, channels))
    soundfile.write(tmp_path / "clip.wav", wave, rate, subtype=subtype)
    expected, _ = librosa.load(tmp_path / "clip.wav", sr=16_000)
    actual = load_audio(tmp_path / "clip.wav")
    assert actual.dtype == np.float32
    assert np.array_equal(actual, expected)


@pytest.mark.parametrize("wave", [np.zeros(0), np.zeros((2, 2)), np.array([0.1, np.nan])])
def test_unusable_samples_are_not_written(tmp_path, wave):
    with pytest.raises(AudioError):
        write_wav(tmp_path / "clip.wav", wave)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def half(path, samples, *_, **__) -> None:
        Path(path).write_bytes(b"RIFF")
        raise KeyboardInterrupt

    monkeypatch.setattr(soundfile, "write", half)
    with pytest.raises(KeyboardInterrupt):
        write_wav(tmp_path / "clip.wav", tone())
    assert list(tmp_path.iterdir()) == []


def test_a_wav_file_is_whole_when_it_has_the_bytes_that_it_announces(tmp_path):
    file = tmp_path / "clip.wav"
    assert not is_whole_wav(file)
    write_wav(file, np.full(400, 0.5))
    assert is_whole_wav(file)
    data = file.read_bytes()
    for damaged in (data[:-1], data[:44], data[:30], b"", b"no sound at all" * 9):
        file.write_bytes(damaged)
        assert not is_whole_wav(file)

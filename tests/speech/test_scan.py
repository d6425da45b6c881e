import hashlib
import math
import os
import runpy
import typing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundmind_pipeline.speech import audio
from soundmind_pipeline.speech.audio import AudioError, Defect, load_audio
from soundmind_pipeline.speech.scan import ClipFacts, ScanParams, scan_clip

damage = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("damage.py"))))
PARAMS = ScanParams()
DEFECTS = typing.get_args(Defect)
UNREAD = {"missing", "not a file", "outside", "no permission", "empty", "too large", "unreadable", "implausible header"}
USABLE_BY_LOAD_AUDIO = {"outside", "mislabelled", "clipped", "no speech"}


@pytest.mark.parametrize("kind", damage.DAMAGE)
def test_every_kind_of_damage_is_named(tmp_path, kind):
    make, defect = damage.DAMAGE[kind]
    folder = tmp_path / "clips"
    folder.mkdir()
    path = make(folder)
    facts = scan_clip(path, PARAMS, root=folder)
    assert (facts.defect, bool(facts.detail)) == (defect, True)
    assert defect not in UNREAD or facts.seconds is None
    assert "0x" not in facts.detail  # no object's address: the same file gives the same words


@pytest.mark.parametrize("kind", [kind for kind, (_, defect) in damage.DAMAGE.items() if defect != "unreadable"])
def test_reading_a_clip_for_use_agrees_with_the_scan(tmp_path, kind):
    make, defect = damage.DAMAGE[kind]
    folder = tmp_path / "clips"
    folder.mkdir()
    path = make(folder)
    if defect in USABLE_BY_LOAD_AUDIO or kind == "constant offset only":
        if path.is_file():
            assert len(load_audio(path)) > 0
        return
    with pytest.raises(AudioError) as caught:
        load_audio(path)
    assert caught.value.defect == defect


def test_there_are_many_kinds_of_damage():
    assert len(damage.DAMAGE) >= 25
    assert {defect for _, defect in damage.DAMAGE.values()} >= set(DEFECTS) - {
        "no permission", "too large", "crashed", "wrong duration", "shared sound",
    }  # fmt: skip


def test_a_file_without_permission(tmp_path):
    path = damage.content(damage.encoded)(tmp_path)
    path.chmod(0)
    tmp_path.chmod(0o755)
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65_534)  # root may read everything
    try:
        facts = scan_clip(path, PARAMS)
    finally:
        os.seteuid(mine)
    assert facts.defect == "no permission"


def test_files_that_would_fill_the_memory(tmp_path, monkeypatch):
    path = damage.content(damage.encoded)(tmp_path)
    monkeypatch.setattr(audio, "MAX_BYTES", 1000)
    assert scan_clip(path, PARAMS).defect == "too large"
    monkeypatch.undo()
    monkeypatch.setattr(audio, "_BLOCK_SAMPLES", 4000)
    assert scan_clip(path, PARAMS).seconds == 1.0  # read in blocks
    monkeypatch.setattr(audio, "MAX_SAMPLES", 12_000)
    assert scan_clip(path, PARAMS).defect == "too large"


def test_an_error_nobody_foresaw_is_a_defect_too(tmp_path, monkeypatch):
    path = damage.content(damage.encoded)(tmp_path)
    monkeypatch.setattr("soundmind_pipeline.speech.scan.decode", lambda *_: 1 / 0)
    facts = scan_clip(path, PARAMS)
    assert (facts.defect, facts.detail) == ("unreadable", "ZeroDivisionError: division by zero")
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("suffix", damage.FORMATS)
def test_facts_of_a_sound_clip(tmp_path, suffix):
    path = damage.content(lambda: damage.encoded(suffix), f"clip.{suffix}")(tmp_path)
    wave = damage.speech_like()
    facts = scan_clip(path, PARAMS, root=tmp_path)
    assert facts.defect is None
    assert (facts.container, facts.rate) == (suffix.replace("opus", "ogg"), 16_000)
    assert (facts.channels, facts.dead_channels) == (1, 0)
    assert facts.seconds == 1.0
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts.peak == pytest.approx(np.abs(wave).max(), rel=0.1)
    assert facts.loudness_db == pytest.approx(20 * math.log10(np.sqrt(np.mean(wave**2))), abs=0.2)
    assert facts.clipped_share == 0
    assert abs(facts.offset) < 1e-3
    assert 0.8 < facts.speech_seconds <= 1.0


def test_the_same_samples_in_another_container_are_known_and_another_rate_is_another_sound(tmp_path):
    wave = (32_767 * damage.speech_like()).astype(np.int16)

    def digests(suffix: str, rate: int = 16_000) -> tuple[str | None, str | None]:
        make = damage.content(lambda: damage.encoded(suffix, wave, rate), f"{rate}.{suffix}")
        facts = scan_clip(make(tmp_path), PARAMS)
        return facts.samples_sha256, facts.sha256

    assert digests("wav")[0] == digests("flac")[0]
    assert digests("wav")[1] != digests("flac")[1]
    assert digests("wav")[0] != digests("wav", 8_000)[0]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM"])
def test_every_usual_coding_of_wav_is_read(tmp_path, subtype):
    make = damage.content(lambda: damage.encoded("wav", subtype=subtype))
    facts = scan_clip(make(tmp_path), PARAMS)
    assert facts.defect is None
    assert facts.loudness_db == pytest.approx(-14.05, abs=0.2)


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 44_100, 48_000])
def test_any_rate_and_number_of_channels(tmp_path, rate):
    wave = damage.speech_like(1.0, rate)
    stereo = np.stack([wave, np.zeros_like(wave), wave], axis=1)
    facts = scan_clip(damage.content(lambda: damage.encoded("wav", stereo, rate))(tmp_path), PARAMS)
    assert (facts.defect, facts.rate, facts.channels, facts.seconds) == (None, rate, 3, 1.0)
    assert facts.dead_channels == 1


def test_usable_oddities_are_measured_not_refused(tmp_path):
    def facts_of(data: bytes, name: str = "clip.wav") -> ClipFacts:
        return scan_clip(damage.content(lambda: data, name)(tmp_path), PARAMS)

    offset = facts_of(damage.encoded("wav", damage.speech_like() + 0.25))
    assert (offset.defect, round(offset.offset, 2)) == (None, 0.25)
    whole = damage.encoded()
    noted = whole[:36] + b"LIST\x03\0\0\0abc\0" + whole[36:]  # a chunk of odd length, padded
    assert facts_of(noted + b"junk behind the data").defect is None
    assert facts_of(damage.wav_with(size=0xFFFFFFFF, data_size=0xFFFFFFFF)).defect is None  # a stream
    tagged = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + damage.encoded("mp3")
    assert facts_of(tagged, "clip.MP3").defect is None


def test_clipping_counts_runs_at_full_scale(tmp_path):
    wave = damage.speech_like()
    wave[100], wave[200:202], wave[300:303], wave[400:440] = 1.0, 1.0, -1.0, 1.0
    path = damage.samples(wave)(tmp_path)
    facts = scan_clip(path, PARAMS)
    assert facts.clipped_share == pytest.approx(43 / 16_000)
    assert facts.defect is None
    assert scan_clip(path, ScanParams(max_clipped_share=0.002)).defect == "clipped"


WHOLE = {suffix: damage.encoded(suffix, damage.speech_like(0.4)) for suffix in damage.FORMATS}


@st.composite
def damaged(draw) -> tuple[str, bytes]:
    """A file of random bytes, or one that was cut, overwritten, had a piece repeated or bytes put in."""
    suffix = draw(st.sampled_from(list(WHOLE)))
    data = bytearray(WHOLE[suffix])
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)) | st.integers(0, min(len(data), 64)))
        piece = draw(st.binary(min_size=1, max_size=16))
        how = draw(st.sampled_from(["cut", "overwrite", "flip", "insert", "repeat", "random"]))
        if how == "cut":
            del data[place:]
        elif how == "overwrite":
            data[place : place + len(piece)] = piece
        elif how == "flip" and place < len(data):
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif how == "insert":
            data[place:place] = piece
        elif how == "repeat":
            data[place:place] = data[place // 2 : place]
        elif how == "random":
            data = bytearray(draw(st.binary(max_size=300)))
    return suffix, bytes(data)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(damaged())
def test_whatever_a_file_holds_it_is_usable_or_has_a_defect(tmp_path, made):
    suffix, data = made
    path = tmp_path / f"clip.{suffix}"
    path.write_bytes(data)
    facts = scan_clip(path, PARAMS, root=tmp_path)
    if facts.defect is not None:
        assert facts.defect in DEFECTS
        assert facts.detail
        return
    assert facts.container in ("wav", "flac", "mp3", "ogg")
    assert facts.seconds > 0
    assert 0 < facts.speech_seconds <= facts.seconds + 1e-9
    assert -120 <= facts.loudness_db <= 20
    assert all(math.isfinite(value) for value in (facts.peak, facts.offset, facts.clipped_share))
    wave = load_audio(path)
    assert np.isfinite(wave).all()
    assert len(wave) == pytest.approx(facts.seconds * 16_000, abs=2)

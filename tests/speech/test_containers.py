import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from soundmind_pipeline.speech.containers import missing_bytes, named, sniff

damage = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("damage.py"))))
CONTAINER = {suffix: suffix.replace("opus", "ogg") for suffix in damage.FORMATS}


@pytest.mark.parametrize("suffix", damage.FORMATS)
def test_a_container_is_known_by_its_content_and_by_its_name(suffix):
    assert sniff(damage.encoded(suffix)) == named(f"a/Clip.{suffix.upper()}") == CONTAINER[suffix]


def test_tags_stand_before_mp3_and_flac():
    tag = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
    assert sniff(tag + damage.encoded("mp3")) == "mp3"
    assert sniff(tag + damage.encoded("flac")) == "flac"
    assert sniff(tag) is None


@pytest.mark.parametrize("data", [b"", b"R", b"RIFF", b"RIFF\0\0\0\0AVI LIST", b"\xff\xfb\x90\x00" + bytes(2000)])
def test_anything_else_is_none(data):
    assert sniff(data) is None  # the last: one MP3 header by chance, with nothing that follows it


@pytest.mark.parametrize("suffix", ["wav", "mp3", "ogg", "opus"])
def test_missing_bytes_are_counted(suffix):
    whole = damage.encoded(suffix, damage.speech_like(3.0))
    assert missing_bytes(whole, CONTAINER[suffix]) == 0
    assert missing_bytes(whole[:-1], CONTAINER[suffix]) == 1
    assert missing_bytes(whole[:-20], CONTAINER[suffix]) == 20
    for length in range(12, 100):
        assert missing_bytes(whole[:length], CONTAINER[suffix]) >= 0


def test_mpeg_versions_and_layers():
    # MPEG-1 layer 3, 128 kbit/s, 44.1 kHz: 417 bytes, 418 with padding; MPEG-2 layer 3, 64 kbit/s, 24 kHz: 192 bytes.
    for header, length in ((b"\xff\xfb\x90\x00", 417), (b"\xff\xfb\x92\x00", 418), (b"\xff\xf3\x84\xc4", 192)):
        frames = (header + bytes(length - 4)) * 3
        assert sniff(frames) == "mp3"
        assert missing_bytes(frames, "mp3") == 0
        assert missing_bytes(frames[:-7], "mp3") == 7


@pytest.mark.parametrize("announced", [0, 0xFFFFFFFF, 0x7FFFF024])
def test_streams_that_do_not_know_their_length(announced):
    assert missing_bytes(damage.wav_with(size=announced, data_size=0xFFFFFFFF), "wav") == 0

import pickle
from pathlib import Path

import numpy as np
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech import log_mels
from soundmind_pipeline.speech.audio import AudioError, load_audio, write_wav
from soundmind_pipeline.speech.log_mel import log_mel
from soundmind_pipeline.speech.log_mels import ComputedLogMels, SpokenClip, read_clips, write_clips


@pytest.fixture
def computed(tmp_path) -> ComputedLogMels:
    clips = {}
    for number in range(4):
        file = tmp_path / f"speech/train/{number:04d}.wav"
        wave = 0.3 * np.random.default_rng(number).standard_normal(12_000 * (1 + number))
        write_wav(file, wave, rate=24_000)
        clips[f"train/{number:04d}"] = SpokenClip(str(file), f"{number:064d}", 50 * (1 + number))
    return ComputedLogMels(clips)


def test_it_gives_what_the_clips_give(computed):
    assert list(computed) == [f"train/{number:04d}" for number in range(4)]
    assert len(computed) == 4
    assert "train/0003" in computed
    assert "train/0004" not in computed
    for uid in computed:
        assert np.array_equal(computed[uid], log_mel(load_audio(computed.clips[uid].file)))
        assert len(computed[uid]) == computed.frames(uid)
    with pytest.raises(KeyError):
        computed["train/0004"]


def test_the_last_clips_are_remembered_and_no_more(computed, monkeypatch):
    monkeypatch.setattr(log_mels, "CACHED_CLIPS", 2)
    read = []
    monkeypatch.setattr(log_mels, "load_audio", lambda file: (read.append(file[-8:-4]), load_audio(file))[1])
    for number in (0, 1, 0, 2, 0, 1):
        computed[f"train/{number:04d}"]
    assert read == ["0000", "0001", "0002", "0001"], "0 is used often enough to stay, 1 had to be read again"


def test_what_is_read_may_be_changed_without_harm(computed):
    first = computed["train/0001"]
    first[:] = 0
    assert computed["train/0001"].any()


def test_it_travels_to_another_process_without_its_memory(computed):
    empty = len(pickle.dumps(computed))
    computed["train/0001"]
    assert len(pickle.dumps(computed)) == empty
    copy = pickle.loads(pickle.dumps(computed))
    assert np.array_equal(copy["train/0001"], computed["train/0001"])


def test_a_file_that_is_gone_or_of_another_length_is_named(computed):
    gone, longer = (Path(computed.clips[uid].file) for uid in ("train/0000", "train/0001"))
    write_wav(longer, np.full(16_160, 0.1), rate=16_000)
    with pytest.raises(SoundmindError, match=r"0001\.wav gives 101 log-mel frames; the manifest's duration says 100"):
        computed["train/0001"]
    gone.unlink()
    with pytest.raises(AudioError, match=r"0000\.wav: missing"):
        computed["train/0000"]


def test_written_and_read_the_clips_are_found_wherever_the_project_moves(computed, tmp_path):
    write_clips(tmp_path / "features" / "log_mel", computed)
    assert read_clips(tmp_path / "features" / "log_mel").clips == computed.clips
    expected = computed["train/0002"]
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(moved)
    assert np.array_equal(read_clips(moved / "features" / "log_mel")["train/0002"], expected)
    assert str(tmp_path) + "/" not in (moved / "features/log_mel/clips.json").read_text()


def test_a_data_folder_that_is_a_link_is_no_obstacle(computed, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project/data").symlink_to(tmp_path / "disk")
    (tmp_path / "speech").rename(tmp_path / "project/raw")
    clips = {
        uid: SpokenClip(clip.file.replace("/speech/", "/project/raw/"), clip.sha256, clip.frames)
        for uid, clip in computed.clips.items()
    }
    write_clips(tmp_path / "project/data/log_mel", ComputedLogMels(clips))
    assert len(read_clips(tmp_path / "project/data/log_mel")["train/0000"]) == 50


@pytest.mark.parametrize(
    "content", ["{", "{}", "[]", '{"version": 9, "clips": {}}', '{"version": 1, "clips": {"a": {"file": "x"}}}']
)
def test_a_damaged_list_of_clips_is_named(tmp_path, content):
    (tmp_path / "clips.json").write_text(content)
    with pytest.raises(SoundmindError, match=r"clips\.json"):
        read_clips(tmp_path)

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.audio import AudioError, write_wav
from soundmind_pipeline.speech.audio_folder import AudioFolder, MadeClip, write_audio_folder


def clip(level: float) -> np.ndarray:
    return np.full(400, level, dtype=np.float32)


def test_clips_are_written_and_read_by_uid(tmp_path):
    write_audio_folder(tmp_path / "speech", iter([("train/0001", clip(0.5)), ("dev/0001", clip(0.25))]))
    folder = AudioFolder(tmp_path / "speech", "data/speech")
    assert sorted(folder) == ["dev/0001", "train/0001"]
    assert len(folder) == 2
    assert "train/0001" in folder
    assert "train/0002" not in folder
    assert folder["train/0001"].tolist() == clip(0.5).tolist()
    assert folder.recorded_path("dev/0001") == "data/speech/dev/0001.wav"
    assert folder.path("dev/0001") == tmp_path / "speech" / "dev" / "0001.wav"


def test_a_missing_clip_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"0009\.wav: missing"):
        AudioFolder(tmp_path)["train/0009"]


@pytest.mark.parametrize("uid", ["../secret", "train/../../x", "/etc/passwd", "train//x", "."])
def test_a_uid_cannot_lead_out_of_the_folder(tmp_path, uid):
    with pytest.raises(SoundmindError, match="uid"):
        AudioFolder(tmp_path).path(uid)


def test_an_interrupted_write_keeps_the_old_folder(tmp_path):
    write_audio_folder(tmp_path / "speech", [("train/0001", clip(0.5))])

    def interrupted():
        yield "train/0001", clip(0.1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_audio_folder(tmp_path / "speech", interrupted())
    assert AudioFolder(tmp_path / "speech")["train/0001"][0] == 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["speech"]


@pytest.mark.parametrize("hard_links", [True, False])
def test_made_clips_move_in_without_a_second_copy_where_the_disk_can(tmp_path, monkeypatch, hard_links):
    def refuse(*_):
        raise OSError("no hard links here")

    if not hard_links:
        monkeypatch.setattr("os.link", refuse)
    made = tmp_path / "work" / "abc.wav"
    write_wav(made, clip(0.5))
    write_audio_folder(tmp_path / "speech", [("train/0001", MadeClip(made)), ("train/0002", clip(0.25))])
    file = tmp_path / "speech" / "train" / "0001.wav"
    assert file.read_bytes() == made.read_bytes()
    assert file.samefile(made) == hard_links
    made.unlink()
    folder = AudioFolder(tmp_path / "speech")
    assert (folder["train/0001"][0], folder["train/0002"][0], list(folder._links)) == (0.5, 0.25, [])


def test_what_killed_runs_left_beside_the_folder_goes(tmp_path):
    for name in (".speech.123.tmp", ".speech.123.old", ".speech_of_others.123.tmp"):
        write_wav(tmp_path / name / "train" / "0001.wav", clip(0.1))
    write_audio_folder(tmp_path / "speech", [("train/0001", clip(0.5))])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".speech_of_others.123.tmp", "speech"]


def test_a_table_of_the_clips_goes_when_they_do_and_no_sooner(tmp_path):
    table = tmp_path / "manifest.parquet"
    table.write_text("rows")

    def clips(end):
        yield "train/0001", clip(0.5)
        assert table.exists()
        if end:
            raise RuntimeError("engine gone")

    with pytest.raises(RuntimeError, match="engine gone"):
        write_audio_folder(tmp_path / "speech", clips(True), described_by=table)
    assert table.exists()
    write_audio_folder(tmp_path / "speech", clips(False), described_by=table)
    assert not table.exists()
    write_audio_folder(tmp_path / "speech", [], described_by=table)  # there need not be one


def test_clips_that_exist_are_linked_not_copied(tmp_path):
    published = tmp_path / "data" / "raw" / "dev" / "0001" / "question.flac"
    published.parent.mkdir(parents=True)
    soundfile.write(published, clip(0.5).repeat(3), 24_000)
    clips = [("dev/0001", published), ("dev/0002", Path("data/raw/dev/0002/question.mp3")), ("dev/0003", clip(0.25))]
    write_audio_folder(tmp_path / "data" / "speech", clips, tmp_path)
    assert [path.name for path in (tmp_path / "data" / "speech").rglob("*.wav")] == ["0003.wav"]
    folder = AudioFolder(tmp_path / "data" / "speech", "data/speech", tmp_path)
    assert list(folder) == ["dev/0001", "dev/0002", "dev/0003"]
    assert len(folder) == 3
    assert [uid for uid in folder if uid in folder] == ["dev/0001", "dev/0003"]
    assert len(folder["dev/0001"]) == 800
    assert folder.recorded_path("dev/0001") == "data/raw/dev/0001/question.flac"
    assert folder.recorded_path("dev/0003") == "data/speech/dev/0003.wav"
    assert (folder.is_linked("dev/0001"), folder.is_linked("dev/0003")) == (True, False)
    copy = pickle.loads(pickle.dumps(folder))
    assert copy.path("dev/0001") == published
    with pytest.raises(AudioError, match=r"0002/question\.mp3: missing"):
        folder["dev/0002"]


def test_a_project_whose_data_stand_on_another_disk_can_link(tmp_path):
    disk, project = tmp_path / "disk", tmp_path / "project"
    disk.mkdir()
    (project / "data").mkdir(parents=True)
    (project / "data" / "raw").symlink_to(disk)
    soundfile.write(disk / "a.wav", clip(0.5), 16_000)
    write_audio_folder(project / "speech", [("dev/1", project / "data" / "raw" / "a.wav")], project)
    assert AudioFolder(project / "speech", "speech", project).recorded_path("dev/1") == "data/raw/a.wav"
    with pytest.raises(SoundmindError, match="outside the project"):
        write_audio_folder(project / "speech", [("dev/1", disk / "a.wav")], project)


@pytest.mark.parametrize("links", ["{", "[]", '{"a": 1}', '{"dev/1": "/etc/passwd"}', '{"dev/1": "a/../../b.wav"}'])
def test_damaged_links_are_refused(tmp_path, links):
    (tmp_path / "links.json").write_text(links)
    with pytest.raises(SoundmindError, match=r"links\.json is damaged"):
        AudioFolder(tmp_path)

import numpy as np
import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.audio_folder import AudioFolderDataset

WAVE = np.full(400, 0.5, dtype=np.float32)


@pytest.fixture
def project(tmp_path):
    text = '[tool.kedro]\npackage_name = "x"\nproject_name = "x"\nkedro_init_version = "1.7.0"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    return tmp_path


def test_round_trip_from_an_iterator(project):
    dataset = AudioFolderDataset(filepath=str(project / "data" / "speech"))
    assert not dataset.exists()
    dataset.save(iter([("train/0001", WAVE), ("test/0001", -WAVE)]))
    assert dataset.exists()
    clips = dataset.load()
    assert sorted(clips) == ["test/0001", "train/0001"]
    assert clips["test/0001"].tolist() == (-WAVE).tolist()


def test_clips_are_recorded_relative_to_the_project_even_through_a_link(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("disk")
    (project / "data").symlink_to(elsewhere)
    dataset = AudioFolderDataset(filepath=str(project / "data" / "speech"))
    dataset.save([("train/0001", WAVE)])
    assert dataset.load().recorded_path("train/0001") == "data/speech/train/0001.wav"
    assert (elsewhere / "speech" / "train" / "0001.wav").exists()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match="speech does not exist"):
        AudioFolderDataset(filepath=str(tmp_path / "speech")).load()


def test_speech_that_breaks_off_is_not_taken_for_complete(tmp_path):
    dataset = AudioFolderDataset(filepath=str(tmp_path / "speech"))

    def broken():
        yield "train/0001", WAVE
        raise RuntimeError("the engine died")

    with pytest.raises(DatasetError, match="the engine died"):
        dataset.save(broken())
    assert not dataset.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_the_clips_is_found_in_the_project_from_anywhere(project, tmp_path_factory, monkeypatch):
    table = project / "data" / "manifest.parquet"
    table.parent.mkdir()
    table.write_text("rows")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    dataset = AudioFolderDataset(filepath=str(project / "data" / "speech"), described_by="data/manifest.parquet")
    dataset.save([("train/0001", WAVE)])
    assert not table.exists()


def test_files_of_the_project_are_linked(project):
    published = project / "data" / "01_raw" / "question.wav"
    AudioFolderDataset(filepath=str(published.parent)).save([("question", WAVE)])
    dataset = AudioFolderDataset(filepath=str(project / "data" / "speech"))
    dataset.save([("dev/0001", published), ("dev/0002", WAVE)])
    speech = dataset.load()
    assert speech["dev/0001"].tolist() == WAVE.tolist()
    assert speech.recorded_path("dev/0001") == "data/01_raw/question.wav"
    assert not (project / "data" / "speech" / "dev" / "0001.wav").exists()

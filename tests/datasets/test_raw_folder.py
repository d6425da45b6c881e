import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.raw_folder import RawFolderDataset
from soundmind_pipeline.errors import SoundmindError


@pytest.fixture
def project(tmp_path):
    text = '[tool.kedro]\npackage_name = "x"\nproject_name = "x"\nkedro_init_version = "1.7.0"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    return tmp_path


def test_files_are_found_and_recorded_relative_to_the_project(project):
    raw = RawFolderDataset(filepath=str(project / "data" / "01_raw")).load()
    assert raw.find("soundmind/dev.jsonl") == project / "data" / "01_raw" / "soundmind" / "dev.jsonl"
    assert raw.recorded(raw.find("soundmind") / "dev" / "q.wav") == "data/01_raw/soundmind/dev/q.wav"


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "a/../../b"])
def test_a_name_cannot_lead_out_of_the_folder(project, name):
    raw = RawFolderDataset(filepath=str(project / "data" / "01_raw")).load()
    with pytest.raises(SoundmindError, match=r"is no path inside .*01_raw") as caught:
        raw.find(name)
    assert "ln -s" in str(caught.value)


def test_raw_data_are_not_written_and_need_not_exist(project):
    dataset = RawFolderDataset(filepath=str(project / "data" / "01_raw"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="raw data"):
        dataset.save(object())

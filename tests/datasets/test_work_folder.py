import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.work_folder import WorkFolderDataset


def test_load_creates_the_folder_and_keeps_what_is_in_it(tmp_path):
    dataset = WorkFolderDataset(filepath=str(tmp_path / "work" / "rl"))
    folder = dataset.load()
    (folder / "checkpoint").write_text("1")
    assert (dataset.load() / "checkpoint").read_text() == "1"


def test_cannot_be_saved(tmp_path):
    with pytest.raises(DatasetError, match="work folder"):
        WorkFolderDataset(filepath=str(tmp_path)).save("x")

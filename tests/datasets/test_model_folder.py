import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.model_folder import ModelFolderDataset
from soundmind_pipeline.policy.folder import ModelFolder


def folder(path, text):
    path.mkdir(parents=True)
    (path / "config.json").write_text(text)
    return ModelFolder(path)


def test_save_moves_the_folder_into_place(tmp_path):
    dataset = ModelFolderDataset(filepath=str(tmp_path / "models" / "sft"))
    assert not dataset.exists()
    dataset.save(folder(tmp_path / "work" / "export", "one"))
    dataset.save(folder(tmp_path / "work" / "export", "two"))
    assert dataset.exists()
    assert (dataset.load().path / "config.json").read_text() == "two"
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["sft"]


def test_missing_folder_says_what_to_do(tmp_path):
    with pytest.raises(DatasetError, match="run the stage that builds it"):
        ModelFolderDataset(filepath=str(tmp_path / "nowhere")).load()


def test_saving_in_place_is_harmless(tmp_path):
    handle = folder(tmp_path / "sft", "x")
    ModelFolderDataset(filepath=str(tmp_path / "sft")).save(handle)
    assert (tmp_path / "sft" / "config.json").read_text() == "x"

import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.deepspeed_files import DeepspeedFilesDataset


def test_loads_every_file_by_name(tmp_path):
    (tmp_path / "zero0.json").write_text('{"zero_optimization": {"stage": 0}}')
    (tmp_path / "zero2.json").write_text('{"zero_optimization": {"stage": 2}}')
    loaded = DeepspeedFilesDataset(filepath=str(tmp_path)).load()
    assert {name: content["zero_optimization"]["stage"] for name, content in loaded.items()} == {"zero0": 0, "zero2": 2}


@pytest.mark.parametrize(("text", "message"), [("{", r"a\.json is not valid JSON"), ("[]", r"a\.json must hold")])
def test_a_bad_file_is_named(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        DeepspeedFilesDataset(filepath=str(tmp_path)).load()


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match="holds no DeepSpeed"):
        DeepspeedFilesDataset(filepath=str(tmp_path)).load()

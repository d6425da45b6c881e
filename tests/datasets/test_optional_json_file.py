"""A JSON file that may be missing."""

import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.optional_json_file import OptionalJsonFileDataset


def test_what_is_missing_is_none(tmp_path):
    assert OptionalJsonFileDataset(filepath=str(tmp_path / "no" / "file.json")).load() is None


def test_what_is_there_is_loaded(tmp_path):
    dataset = OptionalJsonFileDataset(filepath=str(tmp_path / "file.json"))
    dataset.save({"arms": {"full": 1}})
    assert dataset.load() == {"arms": {"full": 1}}


def test_damage_is_not_taken_for_absence(tmp_path):
    path = tmp_path / "file.json"
    path.write_text('{"arms":')
    with pytest.raises(DatasetError, match="damaged"):
        OptionalJsonFileDataset(filepath=str(path)).load()

import json
import math

import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.json_file import JsonFileDataset

DATA = {"policies": {"sft": {"accuracy": 0.625, "ci95": [0.5, 0.75]}}, "note": "≥ 10 points", "none": None}


def test_round_trip(tmp_path):
    dataset = JsonFileDataset(filepath=str(tmp_path / "a" / "file.json"))
    assert not dataset.exists()
    dataset.save(DATA)
    assert dataset.exists()
    assert dataset.load() == DATA
    assert "≥ 10 points" in (tmp_path / "a" / "file.json").read_text(encoding="utf-8")


def test_a_missing_or_damaged_file_is_named(tmp_path):
    path = tmp_path / "file.json"
    with pytest.raises(DatasetError, match=r"file\.json does not exist"):
        JsonFileDataset(filepath=str(path)).load()
    path.write_text('{"a": ')
    with pytest.raises(DatasetError, match=r"file\.json is damaged"):
        JsonFileDataset(filepath=str(path)).load()


@pytest.mark.parametrize("data", [{"a": math.nan}, {"a": object()}])
def test_what_json_cannot_say_is_refused_and_the_old_file_stays(tmp_path, data):
    dataset = JsonFileDataset(filepath=str(tmp_path / "file.json"))
    dataset.save(DATA)
    with pytest.raises(DatasetError, match=r"Cannot write .*file\.json"):
        dataset.save(data)
    assert dataset.load() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_kedro_viz_is_shown_the_data(tmp_path):
    dataset = JsonFileDataset(filepath=str(tmp_path / "file.json"))
    dataset.save(DATA)
    assert json.loads(dataset.preview()) == DATA

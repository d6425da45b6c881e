import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.text_file import TextFileDataset


def test_round_trip(tmp_path):
    dataset = TextFileDataset(filepath=str(tmp_path / "a" / "report.html"))
    assert not dataset.exists()
    dataset.save("<p>äöü ≥</p>")
    assert dataset.exists()
    assert dataset.load() == "<p>äöü ≥</p>"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"report\.html does not exist"):
        TextFileDataset(filepath=str(tmp_path / "report.html")).load()


def test_a_text_that_cannot_be_encoded_leaves_the_old_one(tmp_path):
    dataset = TextFileDataset(filepath=str(tmp_path / "report.html"))
    dataset.save("old")
    with pytest.raises(DatasetError, match="surrogates not allowed"):
        dataset.save("new \ud800")
    assert dataset.load() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]

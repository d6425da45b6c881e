import pandas as pd
import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.csv_table import CsvTableDataset


def test_round_trip(tmp_path):
    dataset = CsvTableDataset(filepath=str(tmp_path / "a" / "history.csv"))
    table = pd.DataFrame({"step": [1, 2], "reward/total": [0.25, 1 / 3], "phase": ["hear", "joint"]})
    dataset.save(table)
    pd.testing.assert_frame_equal(dataset.load(), table)


def test_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(DatasetError, match="run the stage that builds it"):
        CsvTableDataset(filepath=str(tmp_path / "none.csv")).load()


def test_damaged_file_is_named(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("")
    with pytest.raises(DatasetError, match=r"history\.csv is damaged"):
        CsvTableDataset(filepath=str(path)).load()


def test_kedro_viz_is_shown_the_first_rows_with_long_texts_cut(tmp_path):
    dataset = CsvTableDataset(filepath=str(tmp_path / "history.csv"))
    dataset.save(pd.DataFrame({"step": range(20), "text": ["x" * 500] * 19 + [None]}))
    shown = dataset.preview()
    assert shown["columns"] == ["step", "text"]
    assert len(shown["data"]) == 8
    assert shown["data"][3] == ["3", "x" * 120]
    assert dataset.preview(nrows=20)["data"][19] == ["19", None]

import pandas as pd
import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.parquet_table import ParquetTableDataset

TABLE = pd.DataFrame(
    {
        "uid": pd.Series(["a", "b"], dtype="str"),
        "label": pd.Series([1, None], dtype="Int64"),
        "seconds": [0.5, 1.25],
        "conflict": [True, False],
    }
)


def test_round_trip_keeps_types(tmp_path):
    dataset = ParquetTableDataset(filepath=str(tmp_path / "a" / "table.parquet"))
    assert not dataset.exists()
    dataset.save(TABLE)
    assert dataset.exists()
    pd.testing.assert_frame_equal(dataset.load(), TABLE)


def test_an_empty_table_keeps_its_columns(tmp_path):
    dataset = ParquetTableDataset(filepath=str(tmp_path / "table.parquet"))
    dataset.save(TABLE.head(0))
    pd.testing.assert_frame_equal(dataset.load(), TABLE.head(0))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"table\.parquet does not exist: run the stage"):
        ParquetTableDataset(filepath=str(tmp_path / "table.parquet")).load()


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "table.parquet"
    ParquetTableDataset(filepath=str(path)).save(TABLE)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=r"table\.parquet is damaged"):
        ParquetTableDataset(filepath=str(path)).load()


def test_a_write_that_fails_half_way_keeps_the_old_table(tmp_path, monkeypatch):
    dataset = ParquetTableDataset(filepath=str(tmp_path / "table.parquet"))
    dataset.save(TABLE)

    def half(self, path, **_) -> None:
        path.write_bytes(b"PAR1")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(pd.DataFrame, "to_parquet", half)
    with pytest.raises(DatasetError, match="No space left"):
        dataset.save(TABLE.head(1))
    pd.testing.assert_frame_equal(dataset.load(), TABLE)
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]

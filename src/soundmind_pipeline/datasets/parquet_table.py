"""A pandas table in a Parquet file, written whole or not at all."""

from pathlib import Path

import pandas as pd

from soundmind_pipeline.datasets.table_file import TableFileDataset


class ParquetTableDataset(TableFileDataset):
    """Saves and loads a ``pandas.DataFrame``; the row index is not kept.

    Example usage for the YAML API:

    ```yaml
    manifest:
      type: soundmind_pipeline.datasets.parquet_table.ParquetTableDataset
      filepath: data/03_primary/manifest.parquet
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.parquet_table import ParquetTableDataset

    manifest = ParquetTableDataset(filepath="data/03_primary/manifest.parquet").load()
    ```
    """

    def _read(self, path: Path) -> pd.DataFrame:
        return pd.read_parquet(path)

    def _write(self, data: pd.DataFrame, path: Path) -> None:
        data.to_parquet(path, index=False)

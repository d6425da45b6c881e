"""A pandas table in a CSV file, written whole or not at all."""

from pathlib import Path

import pandas as pd

from soundmind_pipeline.datasets.table_file import TableFileDataset


class CsvTableDataset(TableFileDataset):
    """Saves and loads a ``pandas.DataFrame`` that people and DVC's plots read; the row index is not kept.

    Example usage for the YAML API:

    ```yaml
    rl_history:
      type: soundmind_pipeline.datasets.csv_table.CsvTableDataset
      filepath: data/08_reporting/rl_history.csv
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.csv_table import CsvTableDataset

    rl_history = CsvTableDataset(filepath="data/08_reporting/rl_history.csv").load()
    ```
    """

    def _read(self, path: Path) -> pd.DataFrame:
        return pd.read_csv(path)

    def _write(self, data: pd.DataFrame, path: Path) -> None:
        data.to_csv(path, index=False)

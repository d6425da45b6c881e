"""A pandas table in a CSV file, written whole or not at all."""

from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from soundmind_pipeline.files import atomic_path


class CsvTableDataset(AbstractDataset[pd.DataFrame, pd.DataFrame]):
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

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        """The table.

        Raises:
            DatasetError: The file does not exist or is no CSV file.
        """
        if not self._exists():
            raise DatasetError(f"{self._path} does not exist: run the stage that builds it first.")
        try:
            return pd.read_csv(self._path)
        except ValueError as error:
            raise DatasetError(f"{self._path} is damaged: {error} Delete it and build it anew.") from error

    def save(self, data: pd.DataFrame) -> None:
        """Write ``data``; an interrupted write leaves what was there before."""
        with atomic_path(self._path) as temporary:
            data.to_csv(temporary, index=False)

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

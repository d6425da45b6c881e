"""What the datasets of pandas tables share: one file, written whole or not at all."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from soundmind_pipeline.files import atomic_path

_LONGEST_CELL = 120  # characters that Kedro-Viz is shown of a text


class TableFileDataset(AbstractDataset[pd.DataFrame, pd.DataFrame]):
    """A ``pandas.DataFrame`` in one file; the row index is not kept. Subclasses say how it is read and written."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    @abstractmethod
    def _read(self, path: Path) -> pd.DataFrame:
        """Parse the file; an OSError or ValueError means that it is damaged."""

    @abstractmethod
    def _write(self, data: pd.DataFrame, path: Path) -> None:
        """Write the file."""

    def load(self) -> pd.DataFrame:
        """The table.

        Raises:
            DatasetError: The file does not exist or is damaged.
        """
        if not self._exists():
            raise DatasetError(f"{self._path} does not exist: run the stage that builds it first.")
        try:
            return self._read(self._path)
        except (OSError, ValueError) as error:  # the readers' own errors derive from these
            raise DatasetError(f"{self._path} is damaged: {error} Delete it and build it anew.") from error

    def save(self, data: pd.DataFrame) -> None:
        """Write ``data``; an interrupted write leaves what was there before."""
        with atomic_path(self._path) as temporary:
            self._write(data, temporary)

    def preview(self, nrows: int = 8) -> TablePreview:
        """The first rows for Kedro-Viz (``columns``, ``index``, ``data``), long texts cut; empty before they exist."""
        if not self._exists():
            return TablePreview({})
        shown = self.load().head(nrows)
        rows = [[None if pd.isna(cell) else str(cell)[:_LONGEST_CELL] for cell in row] for row in shown.to_numpy()]
        return TablePreview({"columns": list(shown.columns), "index": list(range(len(rows))), "data": rows})

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

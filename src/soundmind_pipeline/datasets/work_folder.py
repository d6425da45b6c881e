"""A folder for resume checkpoints and unfinished exports, outside DVC's outs."""

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError


class WorkFolderDataset(AbstractDataset[Any, Path]):
    """Loads the path of a scratch folder, which it creates; a node writes checkpoints there itself.

    It must not stand in DVC's ``outs``: DVC deletes these before a stage, and a killed run could not resume.

    Example usage for the YAML API:

    ```yaml
    sft_work:
      type: soundmind_pipeline.datasets.work_folder.WorkFolderDataset
      filepath: data/06_models/work/sft
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.work_folder import WorkFolderDataset

    folder = WorkFolderDataset(filepath="data/06_models/work/sft").load()
    ```
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """The folder, created when absent."""
        self._path.mkdir(parents=True, exist_ok=True)
        return self._path

    def save(self, data: Any) -> NoReturn:
        """Refuse: nodes write into the loaded folder.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{self._path} is a work folder: write into the loaded path.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

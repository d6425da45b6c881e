"""The DeepSpeed configurations of an environment, by name."""

import json
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError


class DeepspeedFilesDataset(AbstractDataset[Any, dict[str, dict[str, Any]]]):
    """Loads every JSON file of a folder as ``{name without .json: content}``; parameters choose one by name.

    Example usage for the YAML API:

    ```yaml
    deepspeed_files:
      type: soundmind_pipeline.datasets.deepspeed_files.DeepspeedFilesDataset
      filepath: conf/base/deepspeed
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.deepspeed_files import DeepspeedFilesDataset

    zero2 = DeepspeedFilesDataset(filepath="conf/base/deepspeed").load()["zero2"]
    ```
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, dict[str, Any]]:
        """The parsed files.

        Raises:
            DatasetError: A file is no JSON object, or the folder holds none.
        """
        files = sorted(self._path.glob("*.json"))
        if not files:
            raise DatasetError(f"{self._path} holds no DeepSpeed configuration (*.json).")
        return {file.stem: self._parse(file) for file in files}

    @staticmethod
    def _parse(file: Path) -> dict[str, Any]:
        try:
            content = json.loads(file.read_text())
        except ValueError as error:
            raise DatasetError(f"{file} is not valid JSON: {error}") from error
        if not isinstance(content, dict):
            raise DatasetError(f"{file} must hold a JSON object, found {type(content).__name__}.")
        return content

    def save(self, data: Any) -> NoReturn:
        """Refuse: configuration is written by people.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{self._path} is configuration and is never written.")

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

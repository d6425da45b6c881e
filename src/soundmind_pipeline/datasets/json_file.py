"""A JSON file, written whole or not at all."""

import json
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from soundmind_pipeline.files import atomic_path


class JsonFileDataset(AbstractDataset[Any, Any]):
    """Saves and loads plain Python data (dicts, lists, texts, finite numbers, booleans, None).

    NaN and infinity are refused: they are not JSON, and readers in other languages reject the file.

    Example usage for the YAML API:

    ```yaml
    evaluation_results:
      type: soundmind_pipeline.datasets.json_file.JsonFileDataset
      filepath: data/08_reporting/evaluation.json
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.json_file import JsonFileDataset

    JsonFileDataset(filepath="data/08_reporting/evaluation.json").save({"accuracy": 0.9})
    ```
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
        """The data.

        Raises:
            DatasetError: The file does not exist or is not JSON.
        """
        if not self._exists():
            raise DatasetError(f"{self._path} does not exist: run the stage that builds it first.")
        try:
            return json.loads(self._path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DatasetError(f"{self._path} is damaged: {error}. Delete it and build it anew.") from error

    def save(self, data: Any) -> None:
        """Write ``data``; an interrupted write leaves what was there before.

        Raises:
            DatasetError: ``data`` holds something that JSON cannot say.
        """
        try:
            text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise DatasetError(f"Cannot write {self._path}: {error}.") from error
        with atomic_path(self._path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    def preview(self) -> JSONPreview:
        """The data for Kedro-Viz; empty before they exist."""
        return JSONPreview(json.dumps(self.load() if self._exists() else {}))

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

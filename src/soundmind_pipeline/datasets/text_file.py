"""A text file (HTML, Markdown, …), written whole or not at all."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from soundmind_pipeline.files import atomic_path


class TextFileDataset(AbstractDataset[str, str]):
    """Saves and loads a text as UTF-8.

    Example usage for the YAML API:

    ```yaml
    report:
      type: soundmind_pipeline.datasets.text_file.TextFileDataset
      filepath: data/08_reporting/report.html
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.text_file import TextFileDataset

    TextFileDataset(filepath="data/08_reporting/report.html").save("<p>…</p>")
    ```
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> str:
        """The text.

        Raises:
            DatasetError: The file does not exist.
        """
        if not self._exists():
            raise DatasetError(f"{self._path} does not exist: run the stage that builds it first.")
        return self._path.read_text(encoding="utf-8")

    def save(self, data: str) -> None:
        """Write ``data``; an interrupted write leaves what was there before."""
        with atomic_path(self._path) as temporary:
            temporary.write_text(data, encoding="utf-8")

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

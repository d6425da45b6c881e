"""A small web site (Data Docs) as a folder, written whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from soundmind_pipeline.files import atomic_directory


class SiteFolderDataset(AbstractDataset[Mapping[str, bytes], dict[str, bytes]]):
    """Saves and loads a mapping from file names (relative, with forward slashes) to their bytes.

    Example usage for the YAML API:

    ```yaml
    data_docs:
      type: soundmind_pipeline.datasets.site_folder.SiteFolderDataset
      filepath: data/08_reporting/data_docs
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.site_folder import SiteFolderDataset

    SiteFolderDataset(filepath="data/08_reporting/data_docs").save({"index.html": b"<p>…</p>"})
    ```
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, bytes]:
        """Every file of the site.

        Raises:
            DatasetError: The folder does not exist.
        """
        if not self._exists():
            raise DatasetError(f"{self._path} does not exist: run the stage that builds it first.")
        files = (file for file in sorted(self._path.rglob("*")) if file.is_file())
        return {file.relative_to(self._path).as_posix(): file.read_bytes() for file in files}

    def save(self, data: Mapping[str, bytes]) -> None:
        """Write the site; what stood in the folder before is gone afterwards.

        Raises:
            DatasetError: A file name leads out of the folder.
        """
        with atomic_directory(self._path) as temporary:
            for name, content in data.items():
                file = temporary / name
                if not file.resolve().is_relative_to(temporary.resolve()):
                    raise DatasetError(f"{name!r} leads out of {self._path}.")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

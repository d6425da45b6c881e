"""The folder of raw data: what a person puts there, pipelines read only."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError
from kedro.utils import find_kedro_project

from soundmind_pipeline.errors import SoundmindError


@dataclass(frozen=True, slots=True)
class RawFolder:
    """Where raw data stand.

    Attributes:
        path: The folder; absolute, symbolic links not followed.
        project: The Kedro project that holds it; tables record files relative to it.
    """

    path: Path
    project: Path

    def find(self, name: str) -> Path:
        """A file or folder in it, whether or not it exists.

        Args:
            name: Relative to the folder, with forward slashes.

        Raises:
            SoundmindError: ``name`` would lead out of the folder.
        """
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise SoundmindError(
                f"{name!r} is no path inside {self.path}.",
                hint=f"Link data that stand elsewhere into it: `ln -s FOLDER {self.path}/NAME`, then name NAME.",
            )
        return self.path / name

    def recorded(self, file: Path) -> str:
        """A file's path as tables record it: relative to the project, with forward slashes."""
        return Path(os.path.normpath(file.absolute())).relative_to(self.project).as_posix()


class RawFolderDataset(AbstractDataset[Any, RawFolder]):
    """Loads the place of the raw data; the folder may be empty or missing, since not every source needs it.

    Example usage for the YAML API:

    ```yaml
    raw_data:
      type: soundmind_pipeline.datasets.raw_folder.RawFolderDataset
      filepath: data/01_raw
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.raw_folder import RawFolderDataset

    folder = RawFolderDataset(filepath="data/01_raw").load().find("soundmind")
    ```
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> RawFolder:
        """The place of the raw data; nothing is read."""
        path = self._path.absolute()  # not resolved: it may be a link to a larger disk
        return RawFolder(path, find_kedro_project(path) or Path.cwd())

    def save(self, data: Any) -> NoReturn:
        """Refuse: raw data are not made by pipelines.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{self._path} holds raw data: it is only read.")

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

"""A Hugging Face folder (model, adapter or processor) as a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError

from soundmind_pipeline.files import move_directory

if TYPE_CHECKING:
    from soundmind_pipeline.policy.folder import ModelFolder


class ModelFolderDataset(AbstractDataset["ModelFolder", "ModelFolder"]):
    """Loads a :class:`~soundmind_pipeline.policy.folder.ModelFolder` handle; saving moves the given folder into place.

    Weights are not read here: the handle is enough for a node, or for a subprocess that a node starts.

    Example usage for the YAML API:

    ```yaml
    sft_policy:
      type: soundmind_pipeline.datasets.model_folder.ModelFolderDataset
      filepath: data/06_models/sft
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.model_folder import ModelFolderDataset

    handle = ModelFolderDataset(filepath="data/06_models/sft").load()
    ```
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> "ModelFolder":
        """The handle of the folder.

        Raises:
            DatasetError: The folder does not exist.
        """
        from soundmind_pipeline.policy.folder import ModelFolder

        if not self._exists():
            raise DatasetError(f"{self._path} does not exist: run the stage that builds it first.")
        return ModelFolder(self._path)

    def save(self, data: "ModelFolder") -> None:
        """Put the folder behind ``data`` in place of the old one, whole or not at all."""
        from soundmind_pipeline.policy.folder import rebase_adapter

        source = Path(data.path)
        if source.resolve() == self._path.resolve():
            return
        if data.is_adapter and data.base.path.is_dir():
            rebase_adapter(data, data.base, seen_from=self._path)
        move_directory(source, self._path)

    def _exists(self) -> bool:
        return self._path.is_dir() and any(self._path.iterdir())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

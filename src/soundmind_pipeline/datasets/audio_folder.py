"""A folder of clips and links to clips, written whole or not at all and read one clip at a time."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro.utils import find_kedro_project

from soundmind_pipeline.speech.audio_folder import AudioFolder, Clip, write_audio_folder


class AudioFolderDataset(AbstractDataset[Iterable[tuple[str, Clip]], AudioFolder]):
    """Saves ``(uid, wave)`` pairs as ``<filepath>/<split>/<id>.wav``; loads a lazy mapping from uid to wave.

    Waves are ``[samples]`` float32 mono 16 kHz. A pair ``(uid, path)`` stands for a clip that exists elsewhere in the
    project: it is linked (``<filepath>/links.json``), not copied. A pair ``(uid, MadeClip)`` stands for a file that was
    made for the folder. The pairs may come from an iterable that makes them on the way; the folder appears once the
    last is written. Tables record clips relative to the Kedro project that holds the folder.

    Args:
        filepath: The folder.
        described_by: A table of the clips, if there is one: it is removed before they are replaced, because it would
            tell lengths and checksums of clips that are gone.
        metadata: For other tools.

    Example usage for the YAML API:

    ```yaml
    question_speech:
      type: soundmind_pipeline.datasets.audio_folder.AudioFolderDataset
      filepath: data/02_intermediate/speech
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.audio_folder import AudioFolderDataset

    wave = AudioFolderDataset(filepath="data/02_intermediate/speech").load()["train/0001"]
    ```
    """

    def __init__(
        self, *, filepath: str, described_by: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._path = Path(filepath)
        self._described_by = Path(described_by) if described_by else None
        self.metadata = metadata

    def load(self) -> AudioFolder:
        """The clips, unread.

        Raises:
            DatasetError: The folder does not exist.
        """
        if not self._exists():
            raise DatasetError(f"{self._path} does not exist: run the stage that builds it first.")
        path, project = self._places()
        return AudioFolder(path, (path.relative_to(project) if project else path).as_posix(), project)

    def save(self, data: Iterable[tuple[str, Clip]]) -> None:
        """Write or link every clip; what stood in the folder before is gone afterwards, and so is the table of it."""
        path, project = self._places()
        described_by = (project or Path()) / self._described_by if self._described_by else None
        write_audio_folder(path, data, project, described_by)

    def _places(self) -> tuple[Path, Path | None]:
        path = self._path.absolute()  # not resolved: `data` may be a link to a larger disk
        here = Path.cwd()  # stands for the project where the package is installed and there is no checkout
        return path, find_kedro_project(path) or (here if path.is_relative_to(here) else None)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

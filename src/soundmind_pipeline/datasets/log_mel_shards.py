"""Log-mels by uid: kept in safetensors shards, or where to compute them from; written whole or not at all."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from soundmind_pipeline.files import move_directory
from soundmind_pipeline.speech.log_mels import CLIPS_NAME, ComputedLogMels, LogMels, read_clips, write_clips
from soundmind_pipeline.speech.shards import LogMelStore


class LogMelShardsDataset(AbstractDataset[LogMels, LogMels]):
    """Loads a mapping from uid to log-mel ``[frames, 128]`` float32, which reads or computes a clip when asked for it.

    Saving moves the folder of a store into place; of log-mels that are computed it writes where the sound files stand.

    Args:
        filepath: The folder.
        metadata: For other tools.

    Example usage for the YAML API:

    ```yaml
    log_mels:
      type: soundmind_pipeline.datasets.log_mel_shards.LogMelShardsDataset
      filepath: data/04_feature/log_mel
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.log_mel_shards import LogMelShardsDataset

    log_mel = LogMelShardsDataset(filepath="data/04_feature/log_mel").load()["train/0001"]
    ```
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> LogMels:
        """The log-mels, of which only the index is read.

        Raises:
            DatasetError: The folder does not exist. Its cause names a shard that is missing or damaged.
        """
        if not self._exists():
            raise DatasetError(f"{self._path} does not exist: run the stage that builds it first.")
        return read_clips(self._path) if (self._path / CLIPS_NAME).is_file() else LogMelStore(self._path)

    def save(self, data: LogMels) -> None:
        """Put ``data`` in place; what stood in the folder before is gone afterwards.

        Raises:
            DatasetError: ``data`` is neither a store nor computed from sound files.
        """
        if isinstance(data, ComputedLogMels):
            write_clips(self._path, data)
        elif isinstance(data, LogMelStore):
            if data.folder.resolve() != self._path.resolve():
                move_directory(data.folder, self._path)
        else:
            raise DatasetError(f"{type(data).__name__} cannot be saved: need LogMelStore or ComputedLogMels.")

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

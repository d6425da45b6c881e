"""Log-mels in safetensors shards, written whole or not at all and read one clip at a time."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset, DatasetError

from soundmind_pipeline.speech.shards import LogMelStore, write_log_mel_shards


class LogMelShardsDataset(AbstractDataset[Iterable[tuple[str, np.ndarray]], LogMelStore]):
    """Saves ``(uid, log_mel [frames, 128] float32)`` pairs; loads a store that reads a clip when asked for it.

    Args:
        filepath: The folder of the shards.
        shard_megabytes: Size from which a shard is closed, in MiB.
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

    def __init__(self, *, filepath: str, shard_megabytes: int = 128, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self._shard_megabytes = shard_megabytes
        self.metadata = metadata

    def load(self) -> LogMelStore:
        """The store; its index is read, its log-mels are not.

        Raises:
            DatasetError: The folder does not exist. Its cause names a shard that is missing or damaged.
        """
        if not self._exists():
            raise DatasetError(f"{self._path} does not exist: run the stage that builds it first.")
        return LogMelStore(self._path)

    def save(self, data: Iterable[tuple[str, np.ndarray]]) -> None:
        """Write every log-mel; what stood in the folder before is gone afterwards."""
        write_log_mel_shards(self._path, data, self._shard_megabytes << 20)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path), "shard_megabytes": self._shard_megabytes}

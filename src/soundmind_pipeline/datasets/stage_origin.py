"""Which run made an output of a stage, and from what: for pages that say where they come from."""

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from soundmind_pipeline.stages import Artifact, Origin, StageRecords


class StageOriginDataset(AbstractDataset[Any, tuple[Artifact, Origin] | None]):
    """Loads what the stage's record tells of one of its outputs; None where nothing is recorded. Cannot be saved to.

    It is no artifact: a page that was made again from the same answers names the same run.

    Args:
        path: The folder of the stage records.
        stage: Name of the stage.
        output: Name of the dataset that it made.
        metadata: Kept, not used.

    Example usage for the YAML API:

    ```yaml
    answers_origin:
      type: soundmind_pipeline.datasets.stage_origin.StageOriginDataset
      path: data/08_reporting/stages
      stage: evaluation
      output: rl_predictions
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.stage_origin import StageOriginDataset

    StageOriginDataset(path="data/08_reporting/stages", stage="evaluation", output="rl_predictions").load()
    ```
    """

    def __init__(self, *, path: str, stage: str, output: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder, self._stage, self._output = Path(path), stage, output
        self.metadata = metadata

    def load(self) -> tuple[Artifact, Origin] | None:
        """The output as it is recorded, and the run that made it; of a stage that is not complete, as far as it got.

        Raises:
            SoundmindError: The record is damaged.
        """
        folders = (self._folder, self._folder / ".unfinished")
        record = next((found for folder in folders if (found := StageRecords(folder).read(self._stage))), None)
        artifact = record.artifacts.get(self._output) if record else None
        origin = record.origins.get(artifact.origin) if record and artifact else None
        return (artifact, origin) if artifact and origin else None

    def save(self, data: Any) -> NoReturn:
        """Refuse: the hooks keep the records.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError("StageOriginDataset is an input only.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._folder), "stage": self._stage, "output": self._output}

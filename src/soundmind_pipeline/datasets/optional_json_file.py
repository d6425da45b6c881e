"""A JSON file that a stage uses if it is there, and does without if it is not."""

from typing import Any

from soundmind_pipeline.datasets.json_file import JsonFileDataset


class OptionalJsonFileDataset(JsonFileDataset):
    """Loads what :class:`~soundmind_pipeline.datasets.json_file.JsonFileDataset` loads, or None without the file.

    For results of a pipeline that need not have run, such as the ablation in the report. ``soundmind dvc`` names no
    such file among a stage's dependencies: DVC would ask for it.

    Example usage for the YAML API:

    ```yaml
    ablation_summary:
      type: soundmind_pipeline.datasets.optional_json_file.OptionalJsonFileDataset
      filepath: data/08_reporting/ablation/ablation.json
    ```

    Example usage for the Python API:

    ```python
    from soundmind_pipeline.datasets.optional_json_file import OptionalJsonFileDataset

    OptionalJsonFileDataset(filepath="data/08_reporting/ablation/ablation.json").load()
    ```
    """

    def load(self) -> Any:
        """The data; None where there is no such file.

        Raises:
            DatasetError: The file is not JSON.
        """
        return super().load() if self._exists() else None

"""The stages of the DAG and the record each leaves behind when it is complete.

A stage's artifacts count as built only while its record stands: the record is removed when the stage starts and
written, atomically, after its last node. So an interrupted stage is never taken for a finished one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path

STAGES = ("ingestion", "audit", "features", "sft", "rl", "evaluation")


@dataclass(frozen=True)
class StageRecord:
    """What a finished stage remembers about how it was built.

    Attributes:
        stage: Name of the stage.
        seconds: Wall time of its nodes, in seconds.
        parameters: Every parameter its nodes read, flattened to dotted keys.
        lineage: Identifier shared by all stages that build upon one another.
        finished: Local time of completion, ISO 8601.
        git_commit: Commit of the code, or None outside a repository.
    """

    stage: str
    seconds: float
    parameters: dict[str, Any] = field(default_factory=dict)
    lineage: str = ""
    finished: str = ""
    git_commit: str | None = None


class StageRecords:
    """The records of one data folder, one JSON file a stage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, stage: str) -> Path:
        """Where the record of ``stage`` stands."""
        return self.folder / f"{stage}.json"

    def read(self, stage: str) -> StageRecord | None:
        """The record of ``stage``, or None when the stage is not complete.

        Raises:
            SoundmindError: The file is there but cannot be read as a record.
        """
        path = self.path(stage)
        if not path.exists():
            return None
        try:
            return StageRecord(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise SoundmindError(f"{path} is damaged: {error}", hint="Delete it to build the stage anew.") from error

    def write(self, record: StageRecord) -> None:
        """Write ``record`` atomically."""
        with atomic_path(self.path(record.stage)) as temporary:
            temporary.write_text(json.dumps(asdict(record), indent=2, sort_keys=True, default=str) + "\n")

    def remove(self, stage: str) -> None:
        """Forget that ``stage`` was complete."""
        self.path(stage).unlink(missing_ok=True)

    def seconds(self) -> dict[str, float]:
        """Wall seconds of every complete stage."""
        records = (self.read(stage) for stage in STAGES)
        return {record.stage: round(record.seconds, 2) for record in records if record}


def flatten(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters as dotted keys, e.g. ``{"rl": {"steps": 3}}`` → ``{"rl.steps": 3}``; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in parameters.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def changed_parameters(record: StageRecord, current: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Parameters whose value differs from the one the stage was built with, as ``(key, built with, now)``."""
    then, now = record.parameters, json.loads(json.dumps(dict(current), default=str))
    return [(key, then.get(key), now.get(key)) for key in sorted({*then, *now}) if then.get(key) != now.get(key)]

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

DAG_STAGES = ("ingestion", "audit", "features", "sft", "rl", "evaluation")
"""What `kedro run` and `dvc repro` build."""
STAGES = (*DAG_STAGES, "ablation")
"""All stages; those that are not of the DAG run only when they are named."""


@dataclass(frozen=True)
class Content:
    """What a dataset held at some moment.

    Attributes:
        path: Its file or folder, relative to the project; None of a dataset that stays in memory.
        hash: See :class:`~soundmind_pipeline.lineage.hashes.Hashes`; None if nothing was there, or in memory.
    """

    path: str | None = None
    hash: str | None = None


@dataclass(frozen=True)
class Artifact:
    """Where one output of a stage came from.

    Attributes:
        made: What the node saved.
        node: Name of the node.
        inputs: Dataset → what the node read; scratch folders are none.
        parameters: The parameter blocks that the node read.
        origin: Key of the record's ``origins``.
    """

    made: Content
    node: str
    inputs: dict[str, Content] = field(default_factory=dict)
    parameters: list[str] = field(default_factory=list)
    origin: str = ""


@dataclass(frozen=True)
class Origin:
    """The ``kedro run`` that made artifacts of a stage: several have, where a slice of it was run again.

    Attributes:
        env: Kedro environment.
        began: Local time when it began, ISO 8601.
        git_commit: Commit of the code, or None outside a repository.
        git_dirty: Whether tracked files differed from the commit.
        recipe: As in :class:`StageRecord`.
        tools: Package → version.
        run_id: The MLflow run, or None without one.
        run_name: Its name, or that of the command that made them without a run.
    """

    env: str
    began: str
    git_commit: str | None = None
    git_dirty: bool = False
    recipe: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    run_id: str | None = None
    run_name: str | None = None


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
        run_id: The MLflow run that built it, or None without one.
        recipe: Digests of the code, parameters and catalog entries that made it, when the run began
            (:func:`~soundmind_pipeline.recipes.stage_recipe`). A digest is "several" where artifacts of runs with
            different ones stand side by side.
        artifacts: Dataset → where it came from, for each output of the stage's nodes.
        origins: The runs that made them.
    """

    stage: str
    seconds: float
    parameters: dict[str, Any] = field(default_factory=dict)
    lineage: str = ""
    finished: str = ""
    git_commit: str | None = None
    run_id: str | None = None
    recipe: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)


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
            return _record(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise SoundmindError(f"{path} is damaged: {error}", hint="Delete it to build the stage anew.") from error

    def write(self, record: StageRecord) -> None:
        """Write ``record`` atomically."""
        with atomic_path(self.path(record.stage)) as temporary:
            temporary.write_text(json.dumps(asdict(record), indent=2, sort_keys=True, default=str) + "\n")

    def remove(self, stage: str) -> None:
        """Forget that ``stage`` was complete."""
        self.path(stage).unlink(missing_ok=True)

    def seconds(self) -> dict[str, float]:
        """Wall seconds of every complete stage of the DAG."""
        records = (self.read(stage) for stage in DAG_STAGES)
        return {record.stage: round(record.seconds, 2) for record in records if record}


def _record(content: dict[str, Any]) -> StageRecord:
    """The record that ``asdict`` has turned into ``content``."""
    artifacts = {
        name: Artifact(
            **{
                **artifact,
                "made": Content(**artifact["made"]),
                "inputs": {dataset: Content(**read) for dataset, read in artifact["inputs"].items()},
            }
        )
        for name, artifact in content.get("artifacts", {}).items()
    }
    origins = {key: Origin(**origin) for key, origin in content.get("origins", {}).items()}
    return StageRecord(**{**content, "artifacts": artifacts, "origins": origins})


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

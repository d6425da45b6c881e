"""The chain from an artifact back to raw data and generator parameters."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.lineage.hashes import Hashes
from soundmind_pipeline.lineage.staleness import file_changes
from soundmind_pipeline.stages import STAGES, Artifact, Content, Origin, StageRecord, StageRecords


@dataclass(frozen=True)
class Link:
    """An artifact of the chain, and what it was made from.

    Attributes:
        dataset: Name of the dataset.
        content: What its node saved; of raw data, what was read.
        stage: The stage that made it, None of raw data.
        artifact: The record of it, None of raw data.
        origin: The run that made it, None of raw data.
        problems: What of it, or of its inputs, is not on the disk as it was.
        inputs: What it was made from.
    """

    dataset: str
    content: Content
    stage: str | None = None
    artifact: Artifact | None = None
    origin: Origin | None = None
    problems: tuple[str, ...] = ()
    inputs: tuple["Link", ...] = ()

    @cached_property
    def stale(self) -> bool:
        """Whether anything in the chain is not as it was."""
        return bool(self.problems) or any(link.stale for link in self.inputs)

    def files_above(self) -> list["Link"]:
        """The nearest links above that are files or folders: what stays in memory is looked through."""
        found: dict[str, Link] = {}
        for link in self.inputs:
            near = [link] if link.content.path else link.files_above()
            found.update({one.dataset: one for one in near})
        return list(found.values())

    def __iter__(self) -> Iterator["Link"]:
        """The link and all above it, each once."""
        seen: set[tuple[str | None, str]] = set()
        queue = [self]
        while queue:
            link = queue.pop(0)
            if (link.stage, link.dataset) not in seen:
                seen.add((link.stage, link.dataset))
                yield link
                queue += link.inputs


class Lineage:
    """All that the records of one data folder tell.

    Args:
        folder: The folder of the stage records.
        hashes: The hashes of the project's files.

    Raises:
        SoundmindError: A record is damaged.
    """

    def __init__(self, folder: Path, hashes: Hashes) -> None:
        self._hashes = hashes
        complete, begun = StageRecords(folder), StageRecords(folder / ".unfinished")
        found = {stage: complete.read(stage) or begun.read(stage) for stage in STAGES}
        self.records: dict[str, StageRecord] = {stage: record for stage, record in found.items() if record}
        self.unfinished = [stage for stage in self.records if complete.read(stage) is None]
        self._makers = {
            artifact.made.path: (stage, dataset)
            for stage, record in self.records.items()
            for dataset, artifact in record.artifacts.items()
            if artifact.made.path
        }
        self._links: dict[tuple[str, str], Link] = {}

    def find(self, name: str) -> tuple[str, str]:
        """Stage and dataset that made what ``name`` stands for.

        Args:
            name: A dataset, or a path relative to the project: of an artifact, or of a file in one.

        Raises:
            SoundmindError: No stage made it.
        """
        for stage, record in self.records.items():
            if name in record.artifacts:
                return stage, name
        for path in (Path(name), *Path(name).parents):
            if maker := self._makers.get(path.as_posix()):
                return maker
        known = ", ".join(sorted(self._makers))
        hint = f"Known are {known}." if known else "Stages tell where artifacts come from once they have been run anew."
        raise SoundmindError(f"No stage has recorded how {name} was made.", hint=hint)

    def link(self, stage: str, dataset: str) -> Link:
        """The chain that ends in a dataset of a stage."""
        if (stage, dataset) not in self._links:
            record = self.records[stage]
            artifact = record.artifacts[dataset]
            inputs = (self._input(stage, name, content) for name, content in artifact.inputs.items())
            problems = tuple(file_changes([artifact], self._hashes).values())
            origin = record.origins.get(artifact.origin)
            self._links[stage, dataset] = Link(
                dataset, artifact.made, stage, artifact, origin, problems, tuple(link for link in inputs if link)
            )
        return self._links[stage, dataset]

    def resting_on(self, path: str) -> list[str]:
        """Paths of all artifacts that were made from ``path``, directly or not."""
        links = [self.link(stage, dataset) for stage, record in self.records.items() for dataset in record.artifacts]
        above = {link.content.path: {one.content.path for one in link} - {link.content.path} for link in links}
        return [other for other, paths in above.items() if other and path in paths]

    def _input(self, stage: str, dataset: str, content: Content) -> Link | None:
        if content.path is None:  # handed on in memory, inside of the stage
            return self.link(stage, dataset) if dataset in self.records[stage].artifacts else None
        if maker := self._makers.get(content.path):
            return self.link(*maker)
        return Link(dataset, content) if content.hash else None


def as_document(link: Link) -> dict[str, Any]:
    """The chain as plain data for other programs: artifacts by name, the one that was asked for first."""
    return {
        one.dataset: {
            "path": one.content.path,
            "hash": one.content.hash,
            "stage": one.stage,
            "node": one.artifact.node if one.artifact else None,
            "inputs": {above.dataset: _read(one, above) for above in one.inputs},
            "parameters": one.artifact.parameters if one.artifact else [],
            "origin": one.artifact.origin if one.artifact else None,
            "problems": list(one.problems),
            "stale": one.stale,
        }
        for one in link
    }


def _read(link: Link, above: Link) -> str | None:
    """The hash of ``above`` when ``link`` was made from it; None of what stays in memory."""
    read = link.artifact.inputs.values() if link.artifact else ()
    return next((content.hash for content in read if content.path == above.content.path), None)

"""What has changed since a stage was built: its parameters, its code, what it was made from, what it made."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from soundmind_pipeline.lineage.hashes import Hashes
from soundmind_pipeline.stages import Artifact, StageRecord, changed_parameters

SHOWN: Final = 3
"""Reasons of one kind that a warning spells out."""


@dataclass(frozen=True)
class StageChanges:
    """How a stage would be made today, where that is not how it was made.

    Attributes:
        record: The record of the stage.
        parameters: Of the stage's own block: key, value it was built with, value now.
        files: Path → what is wrong with it.
        configuration: Other things that changed, such as "catalog" and "DeepSpeed file".
        code: Whether its code changed.
    """

    record: StageRecord
    parameters: tuple[tuple[str, Any, Any], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    configuration: tuple[str, ...] = ()
    code: bool = False

    def reasons(self, but: Container[str] = ()) -> list[str]:
        """Everything but the code, a phrase for each.

        Args:
            but: Paths that need not be named again.
        """
        built = [f"built with {key}={then}, now it is {now}" for key, then, now in self.parameters]
        files = [phrase for path, phrase in self.files.items() if path not in but]
        conf = [f"built with another {what}" for what in self.configuration]
        return [*first_few(built, "parameters"), *first_few(files, "files"), *conf]


def stage_changes(
    record: StageRecord, recipe: Mapping[str, str], parameters: Mapping[str, Any], hashes: Hashes
) -> StageChanges:
    """Compare a finished stage with today.

    A record from before recipes or artifacts were kept says nothing of them, and nothing is found.

    Args:
        record: The stage's record.
        recipe: What the stage would be made with today (:func:`~soundmind_pipeline.recipes.stage_recipe`).
        parameters: The stage's own parameters of today, dotted keys.
        hashes: The hashes of what is on the disk.
    """
    other = [what for what, digest in recipe.items() if record.recipe.get(what, digest) != digest]
    return StageChanges(
        record,
        tuple(changed_parameters(record, parameters)),
        file_changes(record.artifacts.values(), hashes),
        # A block of parameters that another stage is made with is that stage's matter, and found there.
        tuple(what for what in other if what not in ("code", "parameters")),
        "code" in other,
    )


def file_changes(artifacts: Iterable[Artifact], hashes: Hashes) -> dict[str, str]:
    """What of ``artifacts`` and of what they were made from is not on the disk as it was: path → sentence."""
    artifacts = list(artifacts)
    found: dict[str, str] = {}
    for made in (artifact.made for artifact in artifacts):
        if made.path and (now := hashes.of(made.path)) != made.hash:
            found[made.path] = f"{made.path} {'is gone' if now is None else 'changed after it was made'}"
    for artifact in artifacts:
        for read in artifact.inputs.values():
            if read.path and read.path not in found and (now := hashes.of(read.path)) != read.hash:
                found[read.path] = _difference(read.path, then=read.hash, now=now)
    return found


def _difference(path: str, then: str | None, now: str | None) -> str:
    """How what was read at ``path`` differs from what is there now."""
    if then is None:
        return f"made without {path}, which is there now"
    return f"made from {path}, which is gone" if now is None else f"made from another {path} than the one there now"


def warnings_about(changes: Sequence[StageChanges]) -> list[str]:
    """One line for each stage that is reused and stale, one for all whose code changed; none if nothing changed.

    Args:
        changes: Of the stages that a run reuses, in the order of the DAG.
    """
    lines = []
    told: set[str] = set()
    for index, change in enumerate(changes):
        # A file that is not what it was is named once: with its stage, and what rests on that.
        if reasons := change.reasons(but=told):
            resting = _resting_on(change.record, [later.record for later in changes[index + 1 :]])
            rest = f" Resting on it: {', '.join(resting)}." if resting else ""
            lines.append(f"{change.record.stage} is stale: {'; '.join(reasons)}.{rest}")
        told |= change.files.keys()
    if coded := [change.record.stage for change in changes if change.code]:
        lines.append(f"Stages whose code changed since they were built: {', '.join(coded)}.")
    return [*lines, "Reusing what is there; `dvc repro` rebuilds what changed."] if lines else []


def _resting_on(record: StageRecord, later: Iterable[StageRecord]) -> list[str]:
    """The stages among ``later`` that read what ``record``'s stage made, or what rests on it."""
    paths = {artifact.made.path for artifact in record.artifacts.values()}
    resting = []
    for other in later:
        read = {content.path for artifact in other.artifacts.values() for content in artifact.inputs.values()}
        if (read & paths) - {None}:
            resting.append(other.stage)
            paths |= {artifact.made.path for artifact in other.artifacts.values()}
    return resting


def first_few(phrases: Sequence[str], what: str) -> list[str]:
    """The first of ``phrases``, and how many more there are."""
    more = len(phrases) - SHOWN
    return [*phrases[:SHOWN], f"and {more} more {what}"] if more > 0 else [*phrases]

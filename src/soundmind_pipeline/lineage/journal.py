"""Keeps book, while nodes run, of what each reads and makes."""

import platform
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from soundmind_pipeline.lineage.hashes import Hashes
from soundmind_pipeline.stages import Artifact, Content, Origin, StageRecords

PARAMETERS: Final = "params:"
SCRATCH: Final = ("WorkFolderDataset", "DeepspeedFilesDataset")
"""Types of datasets that are no inputs here: scratch folders, and DeepSpeed files, of which recipes tell."""
TOOLS: Final = (
    "soundmind-pipeline", "kedro", "numpy", "pandas", "pyarrow", "torch", "transformers", "tokenizers", "peft",
    "deepspeed", "great-expectations", "librosa", "espeakng-loader", "piper-tts", "kokoro-onnx", "faster-whisper",
)  # fmt: skip
"""Packages whose version can change an artifact; those that are not installed are left out."""


def tool_versions() -> dict[str, str]:
    """Python's version and those of :data:`TOOLS`; nothing is imported."""
    found = {"python": platform.python_version()}
    for name in TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class Journal:
    """What the nodes of one run read and made.

    Args:
        catalog: Dataset name → entry of the catalog's configuration; what is not in it stays in memory.
        hashes: The hashes of the project's files.
    """

    def __init__(self, catalog: Mapping[str, Mapping[str, Any]], hashes: Hashes) -> None:
        self._catalog, self._hashes = catalog, hashes
        self._read: dict[str, dict[str, Content]] = {}

    def loaded(self, node: str, dataset: str) -> None:
        """Note what ``node`` reads, at the moment it does."""
        if not dataset.startswith(PARAMETERS) and self._is_content(dataset):
            self._read.setdefault(node, {})[dataset] = self._content(dataset)

    def saved(self, node: str, dataset: str, inputs: Iterable[str], origin: str) -> Artifact:
        """What to remember of a dataset that ``node`` has saved.

        Args:
            node: Name of the node.
            dataset: Name of the output.
            inputs: All inputs of the node, parameters included.
            origin: Key of the run.
        """
        blocks = {name.removeprefix(PARAMETERS).split(".")[0] for name in inputs if name.startswith(PARAMETERS)}
        return Artifact(self._content(dataset), node, dict(self._read.get(node, {})), sorted(blocks), origin)

    def _is_content(self, dataset: str) -> bool:
        entry = self._catalog.get(dataset)
        return entry is None or ("filepath" in entry and not entry["type"].endswith(SCRATCH))

    def _content(self, dataset: str) -> Content:
        path = self._catalog.get(dataset, {}).get("filepath")
        return Content(path, self._hashes.of(path)) if path else Content()


def agreed_recipe(origins: Iterable[Origin]) -> dict[str, str]:
    """The digests that all ``origins`` have in common; "several" stands for those that differ."""
    agreed: dict[str, str] = {}
    for origin in origins:
        for what, digest in origin.recipe.items():
            agreed[what] = digest if agreed.get(what, digest) == digest else "several"
    return agreed


def renew(records: StageRecords, stage: str, dataset: str, hashes: Hashes) -> None:
    """Note that a dataset was completed after its stage: what read it before counts as made from it as it is now.

    Args:
        records: The records of a data folder.
        stage: The stage that made the dataset; one that is not complete has nothing to note.
        dataset: Name of the dataset.
        hashes: The hashes of the project's files.
    """
    record = records.read(stage)
    if record is None or dataset not in record.artifacts:
        return
    before = record.artifacts[dataset].made
    now = _as_it_is(before, hashes)
    artifacts = {
        name: replace(
            artifact,
            made=now if name == dataset else artifact.made,
            inputs={read: now if content == before else content for read, content in artifact.inputs.items()},
        )
        for name, artifact in record.artifacts.items()
    }
    records.write(replace(record, artifacts=artifacts))
    hashes.keep()


def remake(records: StageRecords, stage: str, datasets: Iterable[str], origin: Origin, hashes: Hashes) -> None:
    """Note that outputs of a stage were made again by other means than a run, from what stands there now.

    Args:
        records: The records of a data folder.
        stage: The stage; one that is not complete has nothing to note.
        datasets: Names of the outputs.
        origin: What made them.
        hashes: The hashes of the project's files.
    """
    record = records.read(stage)
    if record is None:
        return
    artifacts = dict(record.artifacts)
    for name in artifacts.keys() & set(datasets):
        artifact = artifacts[name]
        inputs = {read: _as_it_is(content, hashes) for read, content in artifact.inputs.items()}
        made = _as_it_is(artifact.made, hashes)
        artifacts[name] = replace(artifact, made=made, inputs=inputs, origin=origin.began)
    known = {**record.origins, origin.began: origin}
    origins = {artifact.origin: known[artifact.origin] for artifact in artifacts.values() if artifact.origin in known}
    recipe = agreed_recipe(origins.values()) or record.recipe
    records.write(replace(record, artifacts=artifacts, origins=origins, recipe=recipe))
    hashes.keep()


def _as_it_is(content: Content, hashes: Hashes) -> Content:
    return Content(content.path, hashes.of(content.path)) if content.path else content

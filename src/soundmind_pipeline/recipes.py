"""What a stage was made with, as a few digests: enough to tell whether it would be made differently today.

The same things make DVC run a stage again (:mod:`soundmind_pipeline.dvc_stages`), its input data aside.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline

from soundmind_pipeline.code_files import PACKAGE, code_files

DEEPSPEED_FILES = "deepspeed_files"
"""Dataset of all DeepSpeed files; ``<stage>.deepspeed`` chooses one."""


def stage_code(stage: str, nodes: Pipeline, catalog: Mapping[str, Any], project: Path) -> list[Path]:
    """The code of a stage: its wiring, its nodes, its datasets and all that these import.

    Args:
        stage: Name of the stage.
        nodes: The nodes of the stage.
        catalog: Dataset name → entry.
        project: The project folder.

    Returns:
        Paths relative to ``project``, sorted; none where the package is installed and no checkout.
    """
    types = (catalog[name]["type"] for name in nodes.datasets() if name in catalog)
    datasets = {kind.rpartition(".")[0] for kind in types if kind.startswith(PACKAGE)}
    functions = {node.func.__module__ for node in nodes.nodes}
    return code_files({f"{PACKAGE}.pipelines.{stage}.pipeline", *functions, *datasets}, project / "src")


def stage_blocks(nodes: Pipeline) -> list[str]:
    """The parameter blocks that the nodes read, sorted."""
    names = (name.removeprefix("params:") for name in nodes.inputs() if name.startswith("params:"))
    return sorted({name.split(".")[0] for name in names})


def stage_recipe(stage: str, nodes: Pipeline, configuration: Mapping[str, Any], project: Path) -> dict[str, str]:
    """Digests of the code, parameters, catalog entries and DeepSpeed file that make ``stage``.

    Args:
        stage: Name of the stage.
        nodes: The nodes of the stage.
        configuration: Kedro's configuration loader, or its ``catalog`` and ``parameters``.
        project: The project folder.

    Returns:
        What was looked at → SHA-256, 16 hex digits.
    """
    catalog, parameters = configuration["catalog"], configuration["parameters"]
    code = stage_code(stage, nodes, catalog, project)
    recipe = {
        "code": _digest([str(path).encode() + (project / path).read_bytes() for path in code]),
        "parameters": _digest([_json({block: parameters.get(block) for block in stage_blocks(nodes)})]),
        "catalog": _digest([_json({name: catalog[name] for name in nodes.datasets() if name in catalog})]),
    }
    if DEEPSPEED_FILES in nodes.inputs():
        name = parameters.get(stage, {}).get("deepspeed", "")
        file = project / catalog[DEEPSPEED_FILES]["filepath"] / f"{name}.json"
        recipe["DeepSpeed file"] = _digest([file.read_bytes()] if file.is_file() else [])
    return recipe


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, default=str).encode()


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]

"""``dvc.yaml``, derived from the Kedro pipelines and catalog, so that the two can never disagree."""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from kedro.pipeline import Pipeline

from soundmind_pipeline.stages import STAGES

HEADER = """\
# Written by `soundmind dvc` from the Kedro pipelines, their imports and conf/base (`soundmind dvc --check`: is it?).
# `dvc repro` runs what changed; a stage's code is the exact set of modules that its nodes and datasets can import.
"""
PACKAGE = "soundmind_pipeline"
METRICS = ("evaluation.json", "metrics.json")


def module_files(entry: str, source: Path) -> list[Path]:
    """Files of this package that module ``entry`` can import, itself included, wherever in the code the imports stand.

    Args:
        entry: Dotted module name inside the package.
        source: The folder that holds the package.

    Returns:
        Paths relative to ``source``'s parent, sorted.
    """
    found: set[Path] = set()
    queue = [entry]
    while queue:
        file = _file_of(queue.pop(), source)
        if file is None or file in found:
            continue
        found.add(file)
        queue += _imports(file)
    return sorted(path.relative_to(source.parent) for path in found)


def _file_of(module: str, source: Path) -> Path | None:
    path = source.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _imports(file: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(PACKAGE))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dvc_document(
    pipelines: Mapping[str, Pipeline], catalog: Mapping[str, Any], project: Path, data: str
) -> dict[str, Any]:
    """The content of ``dvc.yaml``: one stage a pipeline, with its command, code, data, parameters and outputs.

    Args:
        pipelines: The registered pipelines.
        catalog: The resolved catalog configuration, dataset name → entry.
        project: The project folder.
        data: Root of the artifacts, relative to the project.
    """
    stages = {}
    for stage in STAGES:
        nodes = pipelines["__default__"].only_nodes_with_tags(stage)
        outs = _paths(nodes.all_outputs(), catalog)
        metrics = [path for path in outs if Path(path).name in METRICS]
        plots = [path for path in outs if path.endswith("_history.csv")]
        modules = {node.func.__module__ for node in nodes.nodes} | _dataset_modules(nodes.datasets(), catalog)
        code = {str(path) for module in modules for path in module_files(module, project / "src")}
        entry: dict[str, Any] = {
            "cmd": f"kedro run --pipelines {stage} --tags {stage}",
            "deps": sorted(code | set(_paths(nodes.inputs(), catalog)) | _conf_files(stage, project)),
            "params": _parameters(nodes),
            "outs": [path for path in outs if path not in (*metrics, *plots)]
            + [f"{data}/08_reporting/stages/{stage}.json"],
        }
        if metrics:
            entry["metrics"] = metrics
        if plots:
            entry["plots"] = [{path: {"x": "step"}} for path in plots]
        stages[stage] = entry
    return {"stages": stages}


def _paths(names: Iterable[str], catalog: Mapping[str, Any]) -> list[str]:
    """Paths of the persisted datasets among ``names``; work folders belong to no one but the stage itself."""
    entries = [catalog[name] for name in names if name in catalog]
    kept = [entry for entry in entries if not entry["type"].endswith("WorkFolderDataset")]
    return sorted(entry["filepath"] for entry in kept if "filepath" in entry)


def _dataset_modules(names: Iterable[str], catalog: Mapping[str, Any]) -> set[str]:
    """Modules of this package that read or write the datasets ``names``."""
    types = {catalog[name]["type"] for name in names if name in catalog}
    return {kind.rpartition(".")[0] for kind in types if kind.startswith(PACKAGE)}


def _conf_files(stage: str, project: Path) -> set[str]:
    path = f"conf/base/catalog_{stage}.yml"
    return {path} if (project / path).exists() else set()


def _parameters(nodes: Pipeline) -> list[dict[str, list[str]]]:
    """The parameter blocks that the nodes read, as DVC wants them: file → keys."""
    keys = sorted(name.removeprefix("params:") for name in nodes.inputs() if name.startswith("params:"))
    files: dict[str, list[str]] = {}
    for key in keys:
        files.setdefault(f"conf/base/parameters_{key.split('.')[0]}.yml", []).append(key)
    return [{file: found} for file, found in files.items()]


def render(document: Mapping[str, Any]) -> str:
    """``document`` as the text of ``dvc.yaml``."""
    return HEADER + yaml.safe_dump(dict(document), sort_keys=False, width=160)


def project_document(project: Path) -> dict[str, Any]:
    """The document of the project at ``project``, read from its base configuration."""
    from kedro.config import OmegaConfigLoader

    from soundmind_pipeline.pipeline_registry import register_pipelines

    loader = OmegaConfigLoader(conf_source=str(project / "conf"), base_env="base", default_run_env="base")
    return dvc_document(register_pipelines(), loader["catalog"], project, loader["globals"]["data"])

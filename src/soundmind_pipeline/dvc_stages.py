"""``dvc.yaml``, derived from the Kedro pipelines and catalog, so that the two can never disagree.

What a stage depends on, and how DVC compares it:

* **code**, file by file: :func:`~soundmind_pipeline.code_files.code_files` of its wiring, nodes and datasets, templates
  included. The session, the hooks, the settings and the command line are left out: they decide what runs and what is
  recorded about it, never what a node computes. So are the versions of other packages: they belong to the machine
  (``constraints.txt``), and each MLflow run names them.
* **data**: what an earlier stage wrote, and ``data/01_raw``.
* **parameters**, by value, so that a comment changes nothing: each block that a node reads, whole. Keys that a block
  leaves out have defaults, and a list of single keys would overlook one that is written down later.
* **catalog entries** of its datasets and the root of the data folder, by value too.
* **the DeepSpeed file** that its parameters choose, and no other.

Stages run on the base environment alone: ``conf/local`` is not versioned, and nobody could repeat what rests on it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from kedro.pipeline import Pipeline

from soundmind_pipeline.recipes import DEEPSPEED_FILES, stage_blocks, stage_code
from soundmind_pipeline.stages import DAG_STAGES

HEADER = """\
# Written by `soundmind dvc` from the Kedro pipelines, their imports and conf/base (`soundmind dvc --check`: is it?).
# `dvc repro` runs what changed; what counts as a change: docs/experiments.md.
"""
METRICS = "metrics.json"

_REWARD = ("reward/total", "reward/answer", "reward/format_text", "reward/length_text")
_DEV = ("eval/dev/audio_to_text/accuracy", "eval/dev/text_to_text/accuracy")
PLOTS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("Reward by RL step", "rl_history.csv", "reward", _REWARD),
    ("Accuracy on dev by RL step", "rl_history.csv", "accuracy", _DEV),
    ("Distance from the SFT policy by RL step", "rl_history.csv", "KL, nats a token", ("policy/kl",)),
    ("SFT loss by step", "sft_history.csv", "loss", ("sft/loss",)),
)
"""What ``dvc plots`` draws: title, file, name of the y axis, columns."""


def dvc_document(
    pipelines: Mapping[str, Pipeline], catalog: Mapping[str, Any], project: Path, data: str
) -> dict[str, Any]:
    """The content of ``dvc.yaml``: one stage a stage of the DAG, and the plots that people compare.

    Args:
        pipelines: The registered pipelines.
        catalog: The resolved catalog configuration, dataset name → entry.
        project: The project folder.
        data: Root of the artifacts, relative to the project.
    """
    places = _entry_files(project)
    stages, chosen = {}, []
    for stage in DAG_STAGES:
        nodes = pipelines["__default__"].only_nodes_with_tags(stage)
        code = (path.as_posix() for path in stage_code(stage, nodes, catalog, project))
        deps = {*code, *_paths(nodes.inputs() - {DEEPSPEED_FILES}, catalog)}
        if DEEPSPEED_FILES in nodes.inputs():
            deps.add(f"{catalog[DEEPSPEED_FILES]['filepath']}/${{{stage}.deepspeed}}.json")
            chosen.append(f"conf/base/parameters_{stage}.yml:{stage}")
        outs = [*_paths(nodes.all_outputs(), catalog), f"{data}/08_reporting/stages/{stage}.json"]
        stages[stage] = {
            "cmd": f"kedro run --env base --pipelines {stage} --tags {stage}",
            "deps": sorted(deps),
            "params": [
                *({f"conf/base/parameters_{block}.yml": [block]} for block in stage_blocks(nodes)),
                *_entries(nodes, catalog, places),
                {"conf/base/globals.yml": ["data"]},
            ],
            "outs": [path for path in outs if Path(path).name != METRICS],
        }
        if metrics := [path for path in outs if Path(path).name == METRICS]:
            stages[stage]["metrics"] = metrics
    return {"vars": chosen, "stages": stages, "plots": _plots(f"{data}/08_reporting")}


def _paths(names: Iterable[str], catalog: Mapping[str, Any]) -> list[str]:
    """Paths of the persisted datasets among ``names``.

    Work folders belong to no one but the stage itself, and DVC would ask for a file that may be missing.
    """
    entries = [catalog[name] for name in names if name in catalog]
    left_out = ("WorkFolderDataset", "OptionalJsonFileDataset")
    kept = [entry for entry in entries if not entry["type"].endswith(left_out)]
    return sorted(entry["filepath"] for entry in kept if "filepath" in entry)


def _entry_files(project: Path) -> dict[str, str]:
    """Dataset name → the file of conf/base that holds its entry, relative to the project."""
    files = sorted((project / "conf" / "base").glob("catalog*.yml"))
    return {name: f"conf/base/{file.name}" for file in files for name in yaml.safe_load(file.read_text()) or {}}


def _entries(nodes: Pipeline, catalog: Mapping[str, Any], places: Mapping[str, str]) -> list[dict[str, list[str]]]:
    """The catalog entries that the nodes load and save, file → names."""
    names = sorted(name for name in nodes.datasets() if name in catalog)
    files = sorted({places[name] for name in names})
    return [{file: [name for name in names if places[name] == file]} for file in files]


def _plots(reporting: str) -> list[dict[str, Any]]:
    return [
        {title: {"x": "step", "y": {f"{reporting}/{file}": list(columns)}, "x_label": "step", "y_label": label}}
        for title, file, label, columns in PLOTS
    ]


def render(document: Mapping[str, Any]) -> str:
    """``document`` as the text of ``dvc.yaml``."""
    return HEADER + yaml.safe_dump(dict(document), sort_keys=False, width=160)


def project_document(project: Path) -> dict[str, Any]:
    """The document of the project at ``project``, read from its base configuration."""
    from kedro.config import OmegaConfigLoader

    from soundmind_pipeline.pipeline_registry import register_pipelines

    loader = OmegaConfigLoader(conf_source=str(project / "conf"), base_env="base", default_run_env="base")
    return dvc_document(register_pipelines(), loader["catalog"], project, loader["globals"]["data"])

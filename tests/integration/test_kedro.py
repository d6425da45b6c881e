"""Kedro's own tools work on the project: the picture of the DAG, the catalog, slices, and runs from elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader

from soundmind_pipeline.configuration import LOADER_ARGUMENTS
from soundmind_pipeline.pipeline_registry import register_pipelines

PROJECT = Path(__file__).resolve().parents[2]
LAYERS = ("raw", "intermediate", "primary", "feature", "model_input", "models", "model_output", "reporting")


def test_layers_point_in_one_direction():
    catalog = OmegaConfigLoader(conf_source=str(PROJECT / "conf"), env="base", **LOADER_ARGUMENTS)["catalog"]
    layers = {name: entry.get("metadata", {}).get("kedro-viz", {}).get("layer") for name, entry in catalog.items()}
    assert set(layers.values()) <= {*LAYERS, None}
    pipelines = register_pipelines()
    nodes = {node for pipeline in pipelines.values() for node in pipeline.nodes}
    makers = {output: node for node in nodes for output in node.outputs}

    @cache
    def nearest_above(name):
        inputs = makers[name].inputs if name in makers else ()
        return {above for i in inputs for above in ({layers[i]} if layers.get(i) else nearest_above(i))}

    for name, layer in layers.items():
        if layer:
            later = {above for above in nearest_above(name) if LAYERS.index(above) > LAYERS.index(layer)}
            assert not later, f"{name} ({layer}) is made from {later}: Kedro-Viz cannot draw such layers"


def test_every_node_has_a_name_that_people_can_type():
    nodes = {node for pipeline in register_pipelines().values() for node in pipeline.nodes}
    assert all("__" not in node.name for node in nodes), "kedro run --from-nodes wants names"


@pytest.mark.slow
def test_kedro_viz_draws_the_dag_with_layers_and_previews(project, monkeypatch):
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    done = project.run("viz", "build", "--include-previews")
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 0, text
    assert "Layers visualisation is disabled" not in text
    api = project.path / "build" / "api"
    drawn = json.loads((api / "main").read_text())
    assert drawn["layers"] == [layer for layer in LAYERS if layer in drawn["layers"]]
    assert {"ingestion", "features", "sft", "rl", "evaluation"} <= {tag["name"] for tag in drawn["tags"]}
    nodes = {node["name"]: node["id"] for node in drawn["nodes"]}
    shown = {name: json.loads((api / "nodes" / nodes[name]).read_text()) for name in ("manifest", "evaluation_metrics")}
    assert len(shown["manifest"]["preview"]["data"]) == 8
    assert "rl" in json.loads(shown["evaluation_metrics"]["preview"])


@pytest.mark.slow
def test_a_slice_that_names_nothing_leaves_no_trace(project):
    records = {path: path.read_bytes() for path in project.reporting.glob("stages/*.json")}
    done = project.run("run", "--env", "smoke", "--pipelines", "evaluation", "--from-nodes", "write_reprot")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "kedro registry describe" in done.stderr
    assert {path: path.read_bytes() for path in project.reporting.glob("stages/*.json")} == records


@pytest.mark.slow
def test_runs_from_another_folder_of_the_project(project):
    done = project.run("run", "--env", "smoke", "--pipelines", "evaluation", "--from-nodes", "draw_figures", cwd="conf")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (project.path / "conf" / "data").exists()
    assert not (project.path / "conf" / "mlruns").exists()


@pytest.mark.slow
def test_the_wheel_runs_with_a_configuration_of_its_own(fresh_project, tmp_path_factory):
    for name in ("README.md", "LICENSE"):
        shutil.copy(PROJECT / name, fresh_project.path / name)
    packed = fresh_project.run("package")
    assert packed.returncode == 0, packed.stdout[-2000:] + packed.stderr[-2000:]
    (wheel,) = (fresh_project.path / "dist").glob("*.whl")
    (configuration,) = (fresh_project.path / "dist").glob("conf-*.tar.gz")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(elsewhere / "site"), str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    (elsewhere / "job").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(elsewhere / "site")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "soundmind_pipeline", "run", "--conf-source", str(configuration)]
    done = subprocess.run(
        [*command, "--env", "smoke", "--pipelines", "ingestion"],
        cwd=elsewhere / "job",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    manifest = pd.read_parquet(elsewhere / "job" / "data" / "smoke" / "03_primary" / "manifest.parquet")
    assert manifest["question_audio"].str.startswith("data/smoke/02_intermediate/speech/").all()
    assert (elsewhere / "job" / "mlruns" / "mlflow.db").exists()

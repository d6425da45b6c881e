"""DVC runs the same DAG as Kedro, and nothing twice."""

import json
from pathlib import Path

import pytest
import yaml
from kedro.config import OmegaConfigLoader

from soundmind_pipeline.dvc_stages import module_files, project_document, render
from soundmind_pipeline.pipeline_registry import register_pipelines
from soundmind_pipeline.stages import STAGES

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load((PROJECT / "dvc.yaml").read_text())


def test_dvc_yaml_is_what_the_pipelines_and_the_catalog_say():
    assert (PROJECT / "dvc.yaml").read_text() == render(project_document(PROJECT)), "run: soundmind dvc"


def test_every_persisted_dataset_is_an_output_of_exactly_its_stage(document):
    loader = OmegaConfigLoader(conf_source=str(PROJECT / "conf"), base_env="base", default_run_env="base")
    pipelines = register_pipelines()
    for stage in STAGES:
        entry = document["stages"][stage]
        outs = {*entry["outs"], *entry.get("metrics", []), *(path for plot in entry.get("plots", []) for path in plot)}
        names = pipelines["__default__"].only_nodes_with_tags(stage).all_outputs()
        persisted = {loader["catalog"][name]["filepath"] for name in names if name in loader["catalog"]}
        assert outs == persisted | {f"data/08_reporting/stages/{stage}.json"}


def test_what_a_stage_reads_is_what_an_earlier_one_wrote(document):
    written = {"data/01_raw"}  # by people
    for stage in STAGES:
        entry = document["stages"][stage]
        data = {path for path in entry["deps"] if path.startswith("data/")}
        assert data <= written, f"{stage} reads {sorted(data - written)}, which no earlier stage writes"
        written |= {
            *entry["outs"],
            *entry.get("metrics", []),
            *(path for plot in entry.get("plots", []) for path in plot),
        }
        assert all((PROJECT / path).exists() for path in entry["deps"] if not path.startswith("data/"))


def test_work_folders_stay_outside_the_outputs(document):
    # DVC deletes outputs before a stage runs; checkpoints there could never be resumed from.
    outs = [path for entry in document["stages"].values() for path in entry["outs"]]
    assert not any("work" in Path(path).parts for path in outs)


def test_parameters_are_the_blocks_that_the_nodes_read(document):
    blocks = {
        stage: {key for item in entry["params"] for keys in item.values() for key in keys}
        for stage, entry in document["stages"].items()
    }
    assert blocks["ingestion"] == {"ingestion"}
    assert "sft" in blocks["sft"]
    assert "rl" in blocks["rl"]
    assert "evaluation" in blocks["evaluation"]


def test_module_files_follow_imports_wherever_they_stand(tmp_path):
    package = tmp_path / "src" / "soundmind_pipeline"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("def node():\n    from soundmind_pipeline.b import x\n    return x\n")
    (package / "b.py").write_text("import json\nx = 1\n")
    (package / "c.py").write_text("")
    found = module_files("soundmind_pipeline.a", tmp_path / "src")
    assert [path.name for path in found] == ["a.py", "b.py"]


def merge(base: dict, override: dict) -> dict:
    for key, value in override.items():
        base[key] = merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return base


@pytest.mark.slow
def test_repro_runs_the_dag_once_and_then_nothing(fresh_project):
    project = fresh_project
    for file in (project.path / "conf" / "smoke").glob("parameters_*.yml"):
        base = project.path / "conf" / "base" / file.name
        base.write_text(yaml.safe_dump(merge(yaml.safe_load(base.read_text()), yaml.safe_load(file.read_text()) or {})))
    first = project.run("repro", program="dvc")
    assert first.returncode == 0, first.stdout[-3000:] + first.stderr[-3000:]
    evaluation = project.path / "data" / "08_reporting" / "evaluation.json"
    assert set(json.loads(evaluation.read_text())["seconds"]) == set(STAGES)
    second = project.run("repro", program="dvc")
    assert "up to date" in second.stdout
    assert "Running stage" not in second.stdout
    path = project.path / "conf" / "base" / "parameters_evaluation.yml"
    changed = yaml.safe_load(path.read_text())
    changed["evaluation"]["seed"] = 5
    path.write_text(yaml.safe_dump(changed))
    third = project.run("repro", program="dvc")
    assert [line for line in third.stdout.splitlines() if line.startswith("Running stage")] == [
        "Running stage 'evaluation':"
    ]

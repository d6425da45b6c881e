"""DVC runs the same DAG as Kedro, and nothing twice."""

import json
from pathlib import Path

import pytest
import yaml
from kedro.config import OmegaConfigLoader

from soundmind_pipeline.code_files import code_files
from soundmind_pipeline.dvc_stages import PLOTS, project_document, render
from soundmind_pipeline.pipeline_registry import register_pipelines
from soundmind_pipeline.stages import DAG_STAGES

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def document():
    return project_document(PROJECT)


def test_dvc_yaml_is_what_the_pipelines_and_the_catalog_say():
    assert (PROJECT / "dvc.yaml").read_text() == render(project_document(PROJECT)), "run: soundmind dvc"


def test_every_persisted_dataset_is_an_output_of_exactly_its_stage(document):
    loader = OmegaConfigLoader(conf_source=str(PROJECT / "conf"), base_env="base", default_run_env="base")
    pipelines = register_pipelines()
    for stage in DAG_STAGES:
        entry = document["stages"][stage]
        outs = {*entry["outs"], *entry.get("metrics", [])}
        names = pipelines["__default__"].only_nodes_with_tags(stage).all_outputs()
        persisted = {loader["catalog"][name]["filepath"] for name in names if name in loader["catalog"]}
        assert outs == persisted | {f"data/08_reporting/stages/{stage}.json"}


def test_what_a_stage_reads_is_what_an_earlier_one_wrote(document):
    written = {"data/01_raw"}  # by people
    for stage in DAG_STAGES:
        entry = document["stages"][stage]
        data = {path for path in entry["deps"] if path.startswith("data/")}
        assert data <= written, f"{stage} reads {sorted(data - written)}, which no earlier stage writes"
        written |= {*entry["outs"], *entry.get("metrics", [])}
        files = (path.replace(f"${{{stage}.deepspeed}}", "zero2") for path in entry["deps"])
        assert all((PROJECT / path).exists() for path in files if not path.startswith("data/"))


def test_work_folders_stay_outside_the_outputs(document):
    # DVC deletes outputs before a stage runs; checkpoints there could never be resumed from.
    outs = [path for entry in document["stages"].values() for path in entry["outs"]]
    assert not any("work" in Path(path).parts for path in outs)


def test_parameters_are_the_blocks_that_the_nodes_read(document):
    blocks = {
        stage: {
            key
            for item in entry["params"]
            for file, keys in item.items()
            for key in keys
            if file.startswith("conf/base/parameters")
        }
        for stage, entry in document["stages"].items()
    }
    assert blocks["ingestion"] == {"ingestion"}
    assert blocks["features"] == {"features"}
    assert blocks["sft"] == {"sft"}
    assert "rl" in blocks["rl"]
    assert {"sft", "rl", "evaluation"} <= blocks["evaluation"]


def test_stages_run_on_what_is_versioned_alone(document):
    assert all("--env base " in entry["cmd"] for entry in document["stages"].values())


def test_plots_name_columns_of_files_that_stages_write(document):
    outs = {path for stage in document["stages"].values() for path in stage["outs"]}
    source = "".join(file.read_text() for file in (PROJECT / "src/soundmind_pipeline/training").rglob("*.py"))
    assert len(document["plots"]) == len(PLOTS)
    for path, columns in (item for plot in document["plots"] for entry in plot.values() for item in entry["y"].items()):
        assert path in outs
        assert all(part in source for column in columns for part in column.split("/")), columns


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / "src" / "soundmind_pipeline" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "src"


def test_code_is_followed_wherever_an_import_stands(tmp_path):
    files = {
        "__init__.py": "version = 1\n",
        "a.py": "def node():\n    from soundmind_pipeline.b import x\n    return x\n",
        "b.py": "import json\nWORKER = 'soundmind_pipeline.deep.worker'\nx = 1\n",
        "c.py": "",
        "deep/__init__.py": "'A docstring.'\n",
        "deep/worker.py": "import soundmind_pipeline.busy.leaf\n",
        "busy/__init__.py": "'A docstring.'\nfrom .names import x\n",
        "busy/names.py": "from ..d import x\n",
        "d.py": "from . import e\n",
        "e.py": "",
        "busy/leaf.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import soundmind_pipeline.c\n",
    }
    found = code_files(["soundmind_pipeline.a"], write(tmp_path, files))
    names = [path.relative_to("src/soundmind_pipeline").as_posix() for path in found]
    assert names == [
        "a.py", "b.py", "busy/__init__.py", "busy/leaf.py", "busy/names.py", "d.py", "deep/worker.py", "e.py",
    ]  # fmt: skip


def test_templates_are_code_of_those_who_name_them(tmp_path):
    files = {
        "report.py": "PAGE = ('soundmind_pipeline.views', 'page.html.j2')\n",
        "other.py": "import soundmind_pipeline.report\n",
        "views/__init__.py": "",
        "views/templates/page.html.j2": "{% include 'style.css' %}",
        "views/templates/style.css": "",
        "views/templates/unused.html.j2": "",
    }
    source = write(tmp_path, files)
    found = [path.name for path in code_files(["soundmind_pipeline.other"], source)]
    assert found == ["other.py", "report.py", "page.html.j2", "style.css"]
    assert code_files(["soundmind_pipeline.views"], source) == []


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
    assert set(json.loads(evaluation.read_text())["seconds"]) == set(DAG_STAGES)
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

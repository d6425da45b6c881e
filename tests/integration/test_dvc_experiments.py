"""`dvc exp run -S` reaches every parameter; queued experiments leave their MLflow runs in the project."""

import re
import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from soundmind_pipeline.pipelines.parameters import BLOCKS, validate_parameters
from soundmind_pipeline.stages import flatten

from .dvc_project import git

PROJECT = Path(__file__).resolve().parents[2]
FILES = sorted((PROJECT / "conf" / "base").glob("parameters_*.yml"))


def written(value) -> str:
    """A value as it stands after `=` in `-S 'file:key=value'`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{','.join(written(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}: {written(item)}' for key, item in value.items())}}}"
    return f"'{value}'" if isinstance(value, str) else str(value)


def another(value):
    """Some other value of the same kind; for null one of another kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, list):
        return value[::-1] if value[::-1] != value else [*value, None]
    return "a/b-c d" if value != "a/b-c d" else "e"


KEYS = [(file.name, key, value) for file in FILES for key, value in flatten(yaml.safe_load(file.read_text())).items()]


@pytest.mark.parametrize("name", [file.name for file in FILES])
def test_every_key_of_a_parameters_file_can_be_overridden(tmp_path, name):
    keys = [(key, value) for file, key, value in KEYS if file == name]
    path = Path(shutil.copy(PROJECT / "conf" / "base" / name, tmp_path))
    before = flatten(yaml.safe_load(path.read_text()))
    apply_overrides(path, [f"{key}={written(another(value))}" for key, value in keys])
    assert flatten(yaml.safe_load(path.read_text())) == {key: another(value) for key, value in keys}
    assert before.keys() == {key for key, _ in keys}


def test_lists_booleans_null_and_parts_of_lists_keep_their_types(tmp_path):
    path = Path(shutil.copy(PROJECT / "conf" / "base" / "parameters_sft.yml", tmp_path))
    apply_overrides(
        path,
        [
            "sft.resume=false",
            "sft.base=null",
            "sft.phases.1.steps=7",
            "sft.phases.0.train=[text]",
            "sft.precision=bfloat16",
        ],
    )
    sft = validate_parameters(yaml.safe_load(path.read_text()))["sft"]
    assert (sft["resume"], sft["base"], sft["precision"]) == (False, None, "bfloat16")
    assert (sft["phases"][1]["steps"], sft["phases"][0]["train"]) == (7, ["text"])
    assert len(sft["phases"]) == 3


@pytest.mark.parametrize("block", [name for name in BLOCKS if (PROJECT / f"conf/base/parameters_{name}.yml").exists()])
def test_keys_that_the_file_leaves_at_their_default_can_be_added(tmp_path, block):
    path = Path(shutil.copy(PROJECT / "conf" / "base" / f"parameters_{block}.yml", tmp_path))
    content = yaml.safe_load(path.read_text())
    model = BLOCKS[block].model_validate(content.get(block, {})).model_dump(mode="json")
    missing = {key: value for key, value in flatten({block: model}).items() if key not in flatten(content)}
    # A value of null above takes no keys below it; presets are such.
    addable = {key: value for key, value in missing.items() if value is not None}
    apply_overrides(path, [f"++{key}={written(value)}" for key, value in addable.items()])
    changed = yaml.safe_load(path.read_text())
    assert {
        key: flatten(changed)[key] for key in addable if not isinstance(addable[key], dict)
    }.keys() <= missing.keys()
    assert BLOCKS[block].model_validate(changed[block]).model_dump(mode="json") == model


def test_an_unknown_key_is_refused_at_once(tmp_path):
    from dvc.exceptions import InvalidArgumentError

    path = Path(shutil.copy(PROJECT / "conf" / "base" / "parameters_rl.yml", tmp_path))
    with pytest.raises(InvalidArgumentError):
        apply_overrides(path, ["rl.stepz=5"])


def documented() -> list[tuple[str, str]]:
    """File and override of every `-S` in docs/experiments.md; of a sweep, its first value."""
    text = (PROJECT / "docs" / "experiments.md").read_text().replace("$seed", "0")
    found = re.findall(r"""-S ["']conf/base/(parameters_\w+\.yml):([^"']+)["']""", text)
    return [(file, re.sub(r"=(\d+),.*", r"=\1", override)) for file, override in found]


@pytest.mark.parametrize(("file", "override"), documented())
def test_every_documented_override_is_one(tmp_path, file, override):
    path = Path(shutil.copy(PROJECT / "conf" / "base" / file, tmp_path))
    apply_overrides(path, [override])
    validate_parameters(yaml.safe_load(path.read_text()))


@pytest.mark.slow
def test_queued_experiments_run_apart_and_leave_their_runs_in_the_project(fresh_project):
    path = fresh_project.path
    assert fresh_project.run("dvc", program="soundmind").returncode == 0
    (path / "data" / "01_raw" / ".gitkeep").touch()  # as in a clone
    git(path, "add", "-A")
    git(path, "commit", "-qm", "dvc.yaml")
    file = "conf/base/parameters_ingestion.yml"
    queued = fresh_project.run(
        *("exp", "run", "--queue", "-S", f"{file}:ingestion.verified.seed=1,2"),
        *("-S", f"{file}:ingestion.verified.counts={{train: 30, dev: 8, test: 8}}", "ingestion"),
        program="dvc",
    )
    assert queued.stdout.count("Queued experiment") == 2, queued.stdout + queued.stderr
    assert fresh_project.run("exp", "run", "--run-all", program="dvc").returncode == 0
    status = fresh_project.run("queue", "status", program="dvc").stdout
    assert status.count("Success") == 2, status + "".join(
        log.read_text() for log in path.glob(".dvc/tmp/exps/run/*/*.out")
    )
    with sqlite3.connect(path / "mlruns" / "mlflow.db") as store:
        seeds = store.execute(
            "select value from params where key = 'ingestion.verified.seed' order by value"
        ).fetchall()
        states = store.execute("select distinct status from runs").fetchall()
    assert (seeds, states) == ([("1",), ("2",)], [("FINISHED",)])
    assert not (path / "data" / "03_primary" / "manifest.parquet").exists()

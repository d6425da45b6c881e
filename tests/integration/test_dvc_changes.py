"""What a change of each kind makes DVC run again: exactly what it must."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from .dvc_project import changed_stages, finish, make_project

NONE: set[str] = set()
ALL = {"ingestion", "audit", "features", "sft", "rl", "evaluation"}
PACKAGE = "src/soundmind_pipeline"


@dataclass(frozen=True)
class Change:
    """A change to one file and the stages that it must make run; those below run if what these make has changed."""

    what: str
    file: str
    must_run: frozenset[str]
    key: str | None = None
    """Key of a YAML file that gets ``value``; without it, the file gets a line more."""
    value: object = None

    def apply(self, project: Path) -> None:
        path = project / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text() if path.exists() else ""
        if self.key is None:
            path.write_text(text + "\n# a line more\n")
            return
        content = yaml.safe_load(text) or {}
        *above, last = self.key.split(".")
        block = content
        for name in above:
            block = block.setdefault(name, {})
        assert block.get(last) != self.value
        block[last] = self.value
        path.write_text(yaml.safe_dump(content))


def change(what: str, file: str, must_run: set[str], key: str | None = None, value: object = None) -> Change:
    return Change(what, file, frozenset(must_run), key, value)


def parameter(key: str, value: object, must_run: set[str]) -> Change:
    return change(f"parameter {key}", f"conf/base/parameters_{key.split('.')[0]}.yml", must_run, key, value)


CHANGES = [
    # Parameters, by value. The report of the evaluation shows the blocks of sft and rl.
    parameter("ingestion.verified.seed", 7, {"ingestion"}),
    parameter("ingestion.verified.counts.train", 50, {"ingestion"}),
    parameter("features.tokenizer.vocab_size", 700, {"features"}),
    parameter("audit.tokenizer", "data/04_feature/processor", {"audit"}),
    parameter("sft.seed", 7, {"sft", "evaluation"}),
    parameter("rl.steps", 7, {"rl", "evaluation"}),
    parameter("rl.reward.weights.answer", 0.0, {"rl", "evaluation"}),
    parameter("evaluation.seed", 7, {"evaluation"}),
    parameter("rl.kl_clip_that_the_file_left_out", 1, {"rl", "evaluation"}),
    change("comment among parameters", "conf/base/parameters_rl.yml", NONE),
    change("parameters of another environment", "conf/smoke/parameters_rl.yml", NONE, "rl.steps", 9),
    change("parameters of conf/local", "conf/local/parameters_rl.yml", NONE, "rl.steps", 9),
    # Code, by import.
    change("node module", f"{PACKAGE}/pipelines/rl/nodes.py", {"rl"}),
    change("wiring", f"{PACKAGE}/pipelines/rl/pipeline.py", {"rl"}),
    change("module of one stage", f"{PACKAGE}/evaluation/statistics.py", {"evaluation"}),
    change("module of one stage", f"{PACKAGE}/training/reinforce/losses.py", {"rl"}),
    change("module of a process of its own", f"{PACKAGE}/speech/scan_worker.py", {"ingestion"}),
    change("module of several stages", f"{PACKAGE}/policy/adapters.py", {"sft", "rl", "evaluation"}),
    change("module of all stages", f"{PACKAGE}/errors.py", ALL),
    change("dataset", f"{PACKAGE}/datasets/log_mel_shards.py", {"features", "sft", "rl", "evaluation"}),
    change("template", f"{PACKAGE}/evaluation/templates/report.html.j2", {"evaluation"}),
    change("stylesheet of two reports", f"{PACKAGE}/evaluation/templates/report.css", {"audit", "evaluation"}),
    change("template of a command", f"{PACKAGE}/commands/templates/model_card.md.j2", NONE),
    change("package data of the planner", f"{PACKAGE}/policy/known/other.json", NONE),
    change("session", f"{PACKAGE}/session.py", NONE),
    change("hook", f"{PACKAGE}/hooks/tracking.py", NONE),
    change("settings", f"{PACKAGE}/settings.py", NONE),
    change("readme", "README.md", NONE),
    change("pins of other packages", "pyproject.toml", NONE),
    # Catalog, by value.
    change(
        "catalog entry", "conf/base/catalog_rl.yml", {"rl", "evaluation"}, "rl_policy.filepath",
        "${globals:data}/06_models/elsewhere",
    ),
    change("comment in a catalog", "conf/base/catalog_rl.yml", NONE),
    change("entry that nobody uses", "conf/base/catalog_rl.yml", NONE, "spare.type", "pandas.CSVDataset"),
    change("root of the data", "conf/base/globals.yml", ALL, "data", "elsewhere"),
    change("comment in the globals", "conf/base/globals.yml", NONE),
    # DeepSpeed.
    change("deepspeed file in use", "conf/base/deepspeed/zero2.json", {"sft", "rl"}),
    change("deepspeed file not in use", "conf/base/deepspeed/zero3.json", NONE),
    parameter("rl.deepspeed", "zero3", {"rl", "evaluation"}),
    # Data. A stage whose outputs were touched runs too, to make them again.
    change("raw data", "data/01_raw/notes.txt", {"ingestion"}),
    change("manifest", "data/03_primary/manifest.parquet", {"ingestion", "audit", "features"}),
    change("policy", "data/06_models/sft/part", {"sft", "rl", "evaluation"}),
    change("checkpoint of a stage at work", "data/06_models/work/rl/step-5/state", NONE),
    change("artifact of another environment", "data/smoke/03_primary/manifest.parquet", NONE),
    change("predictions of a run to compare with", "data/other/predictions.parquet", NONE),
    change("results that the report may show", "data/08_reporting/ablation/ablation.json", NONE),
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finish(make_project(tmp_path_factory.mktemp("finished")))


def test_nothing_runs_when_nothing_has_changed(finished):
    assert changed_stages(finished) == NONE


@pytest.mark.parametrize("case", CHANGES, ids=lambda case: re.sub(r"\W+", "-", f"{case.what}-{case.key or ''}"))
def test_a_change_runs_exactly_the_stages_that_it_concerns(finished, case):
    path = finished / case.file
    before = path.read_bytes() if path.exists() else None
    try:
        case.apply(finished)
        assert changed_stages(finished) == case.must_run
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


def test_every_kind_of_dependency_is_changed_above(finished):
    stages = yaml.safe_load((finished / "dvc.yaml").read_text())["stages"].values()
    files = {path for stage in stages for entry in stage["params"] for path in entry}
    kinds = {re.sub(r"_[a-z]+\.yml$", "", file) for file in files}
    kinds |= {Path(dep).parts[0] + Path(dep).suffix for stage in stages for dep in stage["deps"] if "data/" not in dep}
    assert kinds == {
        "conf/base/parameters", "conf/base/catalog", "conf/base/catalog.yml", "conf/base/globals.yml",
        "src.py", "src.j2", "src.css", "conf.json",
    }  # fmt: skip

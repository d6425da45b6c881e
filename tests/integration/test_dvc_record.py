"""`soundmind record`: after `kedro run`, DVC knows what is up to date, and only that."""

import dataclasses
import os
import shutil
import time

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project

from soundmind_pipeline.commands.project import load_configuration
from soundmind_pipeline.configuration import LOADER_ARGUMENTS
from soundmind_pipeline.dvc_record import record_stages, refusals
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.recipes import stage_recipe
from soundmind_pipeline.runs.dvc_hashes import dvc_md5
from soundmind_pipeline.session import parameters_of, whole_dag
from soundmind_pipeline.stages import DAG_STAGES, Artifact, Content, StageRecord, StageRecords

from .dvc_project import changed_stages, fake_outputs, git, make_project


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    configure_project("soundmind_pipeline")
    return make_project(tmp_path_factory.mktemp("template"))


@pytest.fixture
def project(template, tmp_path):
    return shutil.copytree(template, tmp_path / "project")


def records_of(project):
    return StageRecords(project / "data" / "08_reporting" / "stages")


def build(project, stages=DAG_STAGES, env="base", **overrides):
    """Leave behind what `kedro run --env ENV --params OVERRIDES` of each stage does, artifacts being stand-ins."""
    loader = OmegaConfigLoader(conf_source=str(project / "conf"), env=env, runtime_params=overrides, **LOADER_ARGUMENTS)
    for stage in stages:
        fake_outputs(project, stage)
        records_of(project).write(
            StageRecord(
                stage=stage,
                seconds=1.0,
                parameters=parameters_of(stage, loader["parameters"]),
                recipe=stage_recipe(stage, whole_dag().only_nodes_with_tags(stage), loader, project),
            )
        )


def record(project):
    return record_stages(project, whole_dag(), load_configuration(project, "base"))


def refused(project):
    return refusals(DAG_STAGES, project, whole_dag(), load_configuration(project, "base"))


def test_what_was_built_with_the_code_and_parameters_of_today_is_recorded(project):
    build(project)
    assert changed_stages(project) == set(DAG_STAGES)
    assert record(project) == (list(DAG_STAGES), {})
    assert changed_stages(project) == set()
    assert record(project) == ([], {})


def test_a_trial_with_other_parameters_is_not_recorded_nor_what_rests_on_it(project):
    build(project, ["ingestion", "audit", "features", "sft"])
    build(project, ["rl", "evaluation"], rl={"steps": 3})
    recorded, not_recorded = record(project)
    assert recorded == ["ingestion", "audit", "features", "sft"]
    assert not_recorded == {"rl": "was built with rl.steps=3 (conf/base: 20)", "evaluation": "rests on rl"}
    assert changed_stages(project) == {"rl", "evaluation"}
    build(project, ["rl", "evaluation"])
    assert record(project) == (["rl", "evaluation"], {})


def test_parameters_of_other_blocks_that_a_stage_reads_count_too(project):
    build(project)
    assert refused(project) == {}
    build(project, ["evaluation"], rl={"steps": 3})
    assert refused(project) == {"evaluation": "was built with other parameters"}


def test_another_environment_is_not_recorded(project):
    (project / "conf" / "smoke" / "globals.yml").unlink()  # it would have a data folder of its own
    build(project, env="smoke")
    assert "ingestion.verified.counts.train=96 (conf/base: 3000)" in refused(project)["ingestion"]


@pytest.mark.parametrize(
    ("file", "reasons"),
    [
        (
            "src/soundmind_pipeline/training/reinforce/losses.py",
            {"rl": "was built with other code", "evaluation": "rests on rl"},
        ),
        (
            "conf/base/deepspeed/zero2.json",
            {"sft": "was built with other DeepSpeed file", "rl": "rests on sft", "evaluation": "rests on rl"},
        ),
    ],
)
def test_what_was_built_before_a_change_is_not_recorded(project, file, reasons):
    build(project)
    with (project / file).open("a") as changed:
        changed.write("\n")
    assert refused(project) == reasons


def note(project, stage, made=None, read=None):
    """Add to a stage's record what a node made, or read, with the hash of this moment."""
    contents = [path and Content(path, dvc_md5(project / path)) for path in (made, read)]
    artifact = Artifact(contents[0] or Content(), "node", {"input": contents[1]} if read else {})
    records_of(project).write(dataclasses.replace(records_of(project).read(stage), artifacts={"output": artifact}))


@pytest.mark.parametrize(
    ("stage", "read", "rest"),
    [
        ("ingestion", "data/01_raw/notes.txt", dict.fromkeys(["audit", "features"], "rests on ingestion")),
        ("rl", "data/04_feature/feature_index.parquet", {}),
    ],
)
def test_what_was_made_from_something_else_is_not_recorded(project, stage, read, rest):
    build(project)
    note(project, stage, read=read)
    later = time.time() + 3600
    os.utime(project / read, (later, later))  # as `dvc checkout` does
    assert refused(project) == {}
    (project / read).write_text("other")
    reasons = refused(project)
    assert reasons[stage] == f"is stale: made from another {read} than the one there now"
    assert rest.items() <= reasons.items()


def test_an_artifact_that_was_changed_by_hand_is_not_recorded(project):
    build(project)
    path = "data/08_reporting/metrics.json"
    note(project, "evaluation", made=path)
    assert refused(project) == {}
    (project / path).write_text('{"eval": 1.0}')
    assert refused(project) == {"evaluation": f"is stale: {path} changed after it was made"}


def test_stages_without_a_record_or_with_an_old_one_are_built_again(project):
    build(project)
    records_of(project).remove("audit")
    rl = records_of(project).read("rl")
    records_of(project).write(dataclasses.replace(rl, recipe={}))
    reasons = refused(project)
    assert reasons["audit"] == "is not complete"
    assert reasons["rl"].startswith("was built before records told")


def test_without_git_the_error_says_what_to_do(project):
    shutil.rmtree(project / ".git")
    with pytest.raises(SoundmindError, match="DVC cannot work here") as error:
        record(project)
    assert "git init" in str(error.value)


@pytest.mark.slow
def test_kedro_and_dvc_agree_about_a_real_run(fresh_project):
    parameters = fresh_project.path / "conf" / "base" / "parameters_ingestion.yml"
    content = yaml.safe_load(parameters.read_text())
    content["ingestion"]["verified"]["counts"] = {"train": 40, "dev": 10, "test": 10}
    parameters.write_text(yaml.safe_dump(content))
    assert fresh_project.run("dvc", program="soundmind").returncode == 0
    git(fresh_project.path, "add", "-A")
    git(fresh_project.path, "commit", "-qm", "small")
    done = fresh_project.run("run", "--pipeline=ingestion")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "soundmind record" in done.stdout
    recorded = fresh_project.run("record", program="soundmind")
    assert "Recorded in dvc.lock: ingestion." in recorded.stdout
    assert "Not built yet: audit, features, sft, rl, evaluation;" in recorded.stdout
    assert recorded.returncode == 0, recorded.stderr
    repro = fresh_project.run("repro", "ingestion", program="dvc")
    assert "Running stage" not in repro.stdout
    # Kedro goes on with what DVC has, and DVC with what Kedro has.
    trial = fresh_project.run("run", "--pipeline=ingestion", "--params", "ingestion.verified.seed=3")
    assert trial.returncode == 0, trial.stdout + trial.stderr
    refused = fresh_project.run("record", program="soundmind")
    assert "ingestion was built with ingestion.verified.seed=3 (conf/base: 0)" in refused.stderr
    repro = fresh_project.run("repro", "ingestion", program="dvc")
    assert "Running stage 'ingestion'" in repro.stdout or "checking out" in repro.stdout.lower()

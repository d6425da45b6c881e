"""Which run a `kedro run` continues, and which it ends, of those that are not ended."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader

from soundmind_pipeline.hooks.stages import StageHooks
from soundmind_pipeline.hooks.tracking import ARTIFACTS, TrackingHooks
from soundmind_pipeline.runs.open_runs import OpenRuns
from soundmind_pipeline.stages import Artifact, Content, Origin, StageRecord, StageRecords
from soundmind_pipeline.tracking import MlflowSink

PROJECT = Path(__file__).resolve().parents[2]
TAGS = {"soundmind.pipeline": "rl"}
DIES = """
import os, sys
from pathlib import Path
from soundmind_pipeline.runs.open_runs import OpenRuns
OpenRuns(Path(sys.argv[1])).open(sys.argv[2])
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def hooks(mlflow_store, tmp_path):
    """Hooks of a process that runs RL with seed 1."""
    tracking = TrackingHooks(StageHooks())
    tracking._client, tracking._experiment = mlflow_store
    tracking._open_runs = OpenRuns(tmp_path / "open")
    tracking._flat = {"rl.seed": 1}
    return tracking


@pytest.fixture
def killed_run(hooks):
    """Makes runs whose process was killed."""

    def make(seed, pipeline="rl"):
        from mlflow.entities import Param

        run_id = hooks._client.create_run(hooks._experiment, tags={"soundmind.pipeline": pipeline}).info.run_id
        hooks._client.log_batch(run_id, params=[Param("rl.seed", str(seed))])
        done = subprocess.run([sys.executable, "-c", DIES, str(hooks._open_runs.folder), run_id])
        assert done.returncode == -9
        return run_id

    return make


def status(hooks, run_id):
    return hooks._client.get_run(run_id).info.status


def test_the_same_work_is_continued_and_other_work_ended(hooks, killed_run):
    same, other_seed, other_pipeline = killed_run(1), killed_run(2), killed_run(1, "sft")
    with MlflowSink(hooks._client, other_seed).child("part", {}, {"soundmind.part": "1"}) as part:
        hooks._client.update_run(part.run_id, status="RUNNING")
        assert hooks._left_open(TAGS) == same
        assert status(hooks, part.run_id) == "KILLED"
    assert [status(hooks, run) for run in (same, other_seed, other_pipeline)] == ["RUNNING", "KILLED", "KILLED"]
    assert [path.name for path in hooks._open_runs.folder.iterdir()] == [same]


def test_of_two_with_the_same_work_one_is_continued(hooks, killed_run):
    left = {killed_run(1), killed_run(1)}
    continued = hooks._left_open(TAGS)
    (ended,) = left - {continued}
    assert (status(hooks, continued), status(hooks, ended)) == ("RUNNING", "KILLED")


def test_a_run_that_has_ended_or_is_unknown_is_let_go(hooks, killed_run):
    finished = killed_run(1)
    hooks._client.set_terminated(finished, "FINISHED")
    (hooks._open_runs.folder / ("0" * 32)).touch()  # a run of a store that is gone
    assert hooks._left_open(TAGS) is None
    assert status(hooks, finished) == "FINISHED"
    assert list(hooks._open_runs.folder.iterdir()) == []


def test_a_run_that_was_deleted_in_the_ui_is_let_go(hooks, killed_run):
    deleted = killed_run(1)
    hooks._client.delete_run(deleted)
    assert hooks._left_open(TAGS) is None
    assert list(hooks._open_runs.folder.iterdir()) == []


def test_a_store_that_does_not_answer_costs_no_run_its_marker(hooks, killed_run):
    from mlflow.exceptions import MlflowException

    left = killed_run(1)

    def fail(run_id):
        raise MlflowException("timeout")

    hooks._client = SimpleNamespace(get_run=fail)
    with pytest.raises(MlflowException):
        hooks._left_open(TAGS)
    assert [path.name for path in hooks._open_runs.folder.iterdir()] == [left]


@pytest.fixture
def reporting(hooks, tmp_path):
    """A project's reports, of an earlier run all of them; the hooks know where their datasets stand."""
    reporting = tmp_path / "data" / "08_reporting"
    paths = {
        "report": "report.html", "figures": "figures", "paper_tables": "tables", "sft_history": "sft_history.csv",
        "ablation_page": "ablation/ablation.html", "predictions": "predictions.parquet",
    }  # fmt: skip
    for name in ("report.html", "figures/a.svg", "tables/t.tex", "sft_history.csv", "ablation/ablation.html"):
        (reporting / name).parent.mkdir(parents=True, exist_ok=True)
        (reporting / name).write_text(name)
    hooks._project, hooks._reporting = tmp_path, reporting
    hooks._paths = {name: f"data/08_reporting/{path}" for name, path in paths.items()}
    hooks._made = set()
    return reporting


def attached(hooks, run_id, folder=None):
    found = hooks._client.list_artifacts(run_id, folder)
    return {inner for item in found for inner in (attached(hooks, run_id, item.path) if item.is_dir else [item.path])}


def open_run(hooks):
    hooks.run_id = hooks._client.create_run(hooks._experiment).info.run_id
    hooks._sink = MlflowSink(hooks._client, hooks.run_id)
    return hooks.run_id


def test_what_a_run_made_is_attached_and_nothing_of_earlier_runs(hooks, reporting):
    run_id = open_run(hooks)
    for name in ("report", "figures", "paper_tables", "ablation_page", "rl_policy"):
        hooks.after_dataset_saved(name, None)
    hooks.close("FINISHED")
    assert status(hooks, run_id) == "FINISHED"
    assert attached(hooks, run_id) == {"report.html", "figures/a.svg", "tables/t.tex", "ablation/ablation.html"}


def test_a_run_that_failed_attaches_nothing(hooks, reporting):
    run_id = open_run(hooks)
    hooks.after_dataset_saved("report", None)
    hooks.close("FAILED")
    assert (status(hooks, run_id), attached(hooks, run_id)) == ("FAILED", set())


def test_a_continued_run_made_what_it_made_before_it_was_killed(hooks, reporting):
    made = {
        "here": Origin(env="base", began="here", run_id="a"),
        "there": Origin(env="base", began="there", run_id="b"),
    }
    artifacts = {
        "sft_history": Artifact(Content(), "n", origin="here"),
        "policy": Artifact(Content(), "n", origin="there"),
    }
    StageRecords(reporting / "stages").write(StageRecord("sft", 1.0, artifacts=artifacts, origins=made))
    assert hooks._made_by("a") == {"sft_history"}


def test_datasets_to_attach_are_in_the_catalog():
    loader = OmegaConfigLoader(conf_source=str(PROJECT / "conf"), base_env="base", default_run_env="base")
    assert loader["catalog"].keys() >= ARTIFACTS


def test_a_table_that_two_nodes_read_is_one_input(hooks):
    run_id = hooks._client.create_run(hooks._experiment).info.run_id
    hooks._sink, hooks._inputs, hooks._paths = MlflowSink(hooks._client, run_id), set(), {"feature_index": "data/i"}
    hooks.run_id = run_id
    hooks._flat = {"evaluation.split": "test"}
    hooks._questions = {}
    index = pd.DataFrame({"split": ["train", "test"], "uid": ["a", "b"], "user_content": ["x", "y"]})
    for stage in ("sft", "rl", "evaluation", "evaluation", "features"):
        hooks.after_dataset_loaded("feature_index", index, SimpleNamespace(tags={stage}))
    hooks.after_dataset_loaded("sft_history", pd.DataFrame({"step": [1]}), SimpleNamespace(tags={"evaluation"}))
    kept = hooks._client.get_run(run_id).inputs.dataset_inputs
    contexts = {entry.dataset.name: entry.tags[0].value for entry in kept}
    assert contexts == {"feature_index train": "train", "feature_index test": "eval"}
    assert hooks._questions == {"a": "x", "b": "y"}


def test_what_mlflow_raises_does_not_end_the_work(hooks, caplog):
    def fail(*_):
        raise OSError("the server is gone\nand more")

    hooks._client = SimpleNamespace(log_inputs=fail)
    hooks._sink, hooks._inputs, hooks._paths, hooks._questions = object(), set(), {}, {}
    index = pd.DataFrame({"split": ["train"], "uid": ["a"]})
    hooks.after_dataset_loaded("feature_index", index, SimpleNamespace(tags={"sft"}))
    assert "MLflow could not be told of the run's inputs: the server is gone" in caplog.text

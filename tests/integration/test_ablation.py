"""`kedro run --pipeline=ablation` as a user runs it, after a smoke run."""

import json
import shutil
import time

import mlflow
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(smoke, tmp_path_factory):
    """A copy of the smoke project with a tracking store of its own."""
    original, _ = smoke
    path = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(original.path, path, ignore=shutil.ignore_patterns("mlruns"))
    return type(original)(path)


def runs(project):
    client = mlflow.MlflowClient(f"sqlite:///{project.path / 'mlruns' / 'mlflow.db'}")
    found = client.search_runs([client.get_experiment_by_name("soundmind").experiment_id])
    parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    return parents, [run for run in found if "mlflow.parentRunId" in run.data.tags]


def test_a_killed_ablation_goes_on_in_the_same_runs(project):
    folders = project.path / "data" / "smoke" / "06_models" / "work" / "ablation"
    with project.started("run", "--env", "smoke", "--pipeline=ablation") as process:
        # Until the second trial has begun.
        while len(list(folders.glob("*-seed0-*"))) < 2 and process.poll() is None:
            time.sleep(0.02)
    assert not (project.reporting / "stages" / "ablation.json").exists()
    done = project.run("run", "--env", "smoke", "--pipeline=ablation")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-4000:]
    assert "1 of 2 trials are finished already: full seed 0." in output
    assert "Continuing MLflow run" in output
    (parent,), children = runs(project)
    assert parent.info.status == "FINISHED"
    assert {run.info.run_name: run.info.status for run in children} == {
        "full seed 0": "FINISHED", "no_answer seed 0": "FINISHED",
    }  # fmt: skip
    assert len(children) == 2 and {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    results = json.loads((project.reporting / "ablation" / "ablation.json").read_text())
    for run in children:
        arm = results["arms"][run.data.tags["soundmind.arm"]]
        assert run.data.metrics["eval/audio_to_text/accuracy"] == arm["seeds"]["0"]["audio_to_text"]["accuracy"]
        assert float(run.data.params["rl.reward.weights.answer"]) == arm["weights"]["answer"]
        assert "reward/total" in run.data.metrics
    assert (project.reporting / "stages" / "ablation.json").exists()
    assert "The answer reward matters" in output and "60.2%" in output

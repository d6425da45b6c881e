import shutil
import subprocess
import sys

import pytest
from mlflow.exceptions import MlflowException

from soundmind_pipeline import tracking
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.tracking import MlflowSink, local_store, one_at_a_time, open_experiment, tracking_uri


def test_uri_is_absolute_and_the_environment_wins(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path.resolve()}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert tracking_uri(tmp_path) == "http://127.0.0.1:9"


def test_unwritable_mlruns_is_one_message(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").write_text("a file where the folder should be")
    with pytest.raises(SoundmindError, match="mlruns cannot be written"):
        tracking_uri(tmp_path)


def test_sink_loses_no_metric(mlflow_store):
    client, experiment = mlflow_store
    run = client.create_run(experiment)
    sink = MlflowSink(client, run.info.run_id, interval=0.01)
    for step in range(1, 1201):
        sink.log(step, {"reward/total": step / 2})
    sink.flush()
    history = client.get_metric_history(run.info.run_id, "reward/total")
    assert sorted((metric.step, metric.value) for metric in history) == [(step, step / 2) for step in range(1, 1201)]


def test_the_runs_of_queued_dvc_experiments_belong_to_the_project(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = tmp_path / ".dvc" / "tmp" / "exps" / "tmpx1y2" / "nested"
    workspace.mkdir(parents=True)
    assert local_store(workspace) == tmp_path.resolve() / "mlruns"
    assert tracking_uri(workspace) == tracking_uri(tmp_path)
    assert not (workspace / "mlruns").exists()


def test_a_copied_project_keeps_its_new_artifacts_to_itself(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client, experiment = open_experiment(tmp_path / "first")
    old = client.create_run(experiment).info
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    client, experiment = open_experiment(tmp_path / "copy")
    assert client.create_run(experiment).info.artifact_uri.startswith((tmp_path / "copy").as_uri())
    assert client.get_run(old.run_id).info.artifact_uri == old.artifact_uri


TRIES = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def test_one_process_at_a_time_registers_in_the_projects_own_store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    lock = tmp_path / "mlruns" / ".registry.lock"
    with one_at_a_time(tmp_path, "registry"):
        held = subprocess.run([sys.executable, "-c", TRIES, str(lock)], capture_output=True, text=True)
        assert "BlockingIOError" in held.stderr
    assert subprocess.run([sys.executable, "-c", TRIES, str(lock)]).returncode == 0


def test_a_server_is_not_locked(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with one_at_a_time(tmp_path, "registry"):
        assert list(tmp_path.iterdir()) == []


class UnreachableStore:
    """A client whose first writes fail."""

    def __init__(self, failures):
        self.failures, self.written = failures, []

    def get_metric_history(self, run_id, name):
        return []

    def log_batch(self, run_id, metrics, synchronous):
        if self.failures:
            self.failures -= 1
            raise MlflowException("API request failed\nwith a long story")
        self.written += [(metric.key, metric.step) for metric in metrics]


def test_a_store_that_is_away_for_a_while_costs_no_metric(monkeypatch, caplog):
    monkeypatch.setattr(tracking, "RETRY_SECONDS", 0.0)
    client = UnreachableStore(failures=2)
    sink = MlflowSink(client, "run", interval=0.0)
    for step in range(1, 6):
        sink.log(step, {"loss": 1 / step})
    sink.flush()
    assert client.written == [("loss", step) for step in range(1, 6)]
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 2 and "1 metrics wait: API request failed" in warnings[0]


def test_a_failing_store_is_left_in_peace_for_a_while():
    client = UnreachableStore(failures=1)
    sink = MlflowSink(client, "run", interval=0.0)
    for step in range(1, 4):
        sink.log(step, {"loss": 1 / step})
    assert client.written == [] and client.failures == 0
    sink.flush()
    assert len(client.written) == 3


def test_a_failure_at_the_end_is_told():
    sink = MlflowSink(UnreachableStore(failures=1), "run", interval=60.0)
    sink.log(1, {"loss": 1.0})
    with pytest.raises(MlflowException):
        sink.flush()


def test_a_repeated_step_is_written_once(mlflow_store):
    client, experiment = mlflow_store
    run_id = client.create_run(experiment).info.run_id
    for values in ({1: 0.5, 2: 0.25}, {2: 9.0, 3: 0.125}):  # the second loop resumes from the checkpoint of step 1
        sink = MlflowSink(client, run_id)
        for step, value in values.items():
            sink.log(step, {"loss": value})
        sink.log(max(values), {"loss": -1.0})
        sink.flush()
    history = client.get_metric_history(run_id, "loss")
    assert sorted((metric.step, metric.value) for metric in history) == [(1, 0.5), (2, 0.25), (3, 0.125)]


ONE_OF_TEN = """
import sys
from pathlib import Path
from soundmind_pipeline.tracking import MlflowSink, open_experiment
project, seed = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
client, experiment = open_experiment(project)
run_id = client.create_run(experiment, run_name=f"rl seed {seed}", tags={"seed": str(seed)}).info.run_id
sink = MlflowSink(client, run_id, interval=0.0)
for step in range(1, 5):
    sink.log(step, {"reward/total": seed + step / 100, "policy/kl": step / 1000})
sink.flush()
client.set_terminated(run_id, "FINISHED")
"""


@pytest.mark.slow
def test_ten_runs_at_once_share_a_store_that_none_has_made_yet(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_OF_TEN, str(tmp_path), str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for seed in range(10)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors[-2000:]
    client, experiment = open_experiment(tmp_path)
    assert [found.name for found in client.search_experiments()] == ["soundmind", "Default"]
    runs = client.search_runs([experiment])
    assert sorted(int(run.data.tags["seed"]) for run in runs) == list(range(10))
    for run in runs:
        assert run.info.status == "FINISHED"
        for name in ("reward/total", "policy/kl"):
            steps = sorted(metric.step for metric in client.get_metric_history(run.info.run_id, name))
            assert steps == list(range(1, 5))
        assert run.data.metrics["reward/total"] == pytest.approx(int(run.data.tags["seed"]) + 0.04)

"""Runs and models on a real MLflow server, and the registered model asked through MLflow's own commands."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
MODEL = "models:/soundmind-smoke@champion"


@contextmanager
def serving(command, address, environment, log):
    """The command in a process group of its own, until the block ends; waits until ``address`` answers."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()[-3000:]
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        else:
            pytest.fail(log.read_text()[-3000:])
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=5)  # a server waits for the connections that this process keeps
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def mlflow(*arguments):
    return [sys.executable, "-m", "mlflow", *map(str, arguments)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Address of an MLflow server with SQLite behind it, which keeps the artifacts too."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = mlflow(
        "server", "--host", "127.0.0.1", "--port", port, "--workers", 1,
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder / "artifacts",
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    with serving(command, f"{address}/health", dict(os.environ), folder / "server.log"):
        yield address


@pytest.fixture(scope="module")
def tracked(project, server):
    """The project after an evaluation that was told to track on the server, by the environment alone."""
    command, environment = project._command("kedro", ("run", "--env", "smoke", "--pipelines", "evaluation"))
    done = subprocess.run(
        command, cwd=project.path, env=environment | {"MLFLOW_TRACKING_URI": server}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return project, done


@pytest.fixture
def client(server):
    from mlflow import MlflowClient

    return MlflowClient(server)


def question(project):
    return next((project.path / "data" / "smoke" / "02_intermediate" / "speech" / "test").glob("*.wav"))


def test_metrics_and_artifacts_are_on_the_server(tracked, client, tmp_path):
    project, done = tracked
    told = done.stdout + done.stderr
    assert "MLflow could not" not in told and "was not registered" not in told
    experiment = client.get_experiment_by_name("soundmind")
    (run,) = [run for run in client.search_runs([experiment.experiment_id]) if run.data.tags.get("soundmind.stages")]
    assert (run.info.status, run.data.tags["soundmind.stages"]) == ("FINISHED", "evaluation")
    evaluation = json.loads((project.reporting / "evaluation.json").read_text())
    accuracy = evaluation["policies"]["rl"]["audio_to_text"]["accuracy"]
    assert run.data.metrics["eval/audio_to_text/accuracy"] == pytest.approx(accuracy)
    kept = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"report.html", "evaluation.json", "figures", "eval"} <= kept
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    path = client.download_artifacts(run.info.run_id, "evaluation.json", str(tmp_path))
    assert json.loads(Path(path).read_text()) == evaluation


def test_the_policy_is_in_the_servers_registry_and_is_served_from_there(tracked, client, server, tmp_path):
    project, _ = tracked
    assert client.get_model_version_by_alias("soundmind-smoke", "champion").tags["soundmind.env"] == "smoke"
    port = free_port()
    command = mlflow("models", "serve", "-m", MODEL, "--env-manager", "local", "--port", port)
    _, environment = project._command("mlflow", ())  # its PATH leads to uvicorn
    environment |= {"MLFLOW_TRACKING_URI": server, "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
    path = question(project)
    encoded = base64.b64encode(path.read_bytes()).decode()
    with serving(command, f"http://127.0.0.1:{port}/ping", environment, tmp_path / "serve.log"):
        answers = [ask(port, [{"audio": audio}])["predictions"][0] for audio in (str(path), encoded)]
        assert answers[0] == answers[1]
        assert set(answers[0]) == {"response", "verdict", "reason"}
        assert answers[0]["response"]
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(port, [{"audio": "no such file"}])
        assert refused.value.code == 400
        assert "audio is neither a file nor base64: no such file" in refused.value.read().decode()


def ask(port, rows):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        json.dumps({"dataframe_records": rows}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=600) as reply:
        return json.load(reply)


def test_mlflow_models_predict_on_the_projects_own_store(smoke, project, tmp_path):
    assert "Registered soundmind-smoke version 1; champion: version 1" in " ".join(smoke[1].stdout.split())
    path = question(project).relative_to(project.path)
    (tmp_path / "in.json").write_text(
        json.dumps({"dataframe_split": {"columns": ["audio", "question"], "data": [[str(path), None]]}})
    )
    command = mlflow("models", "predict", "-m", MODEL, "--env-manager", "local")
    files = ["-i", str(tmp_path / "in.json"), "-t", "json", "-o", str(tmp_path / "out.json")]
    environment = os.environ | {"MLFLOW_TRACKING_URI": "sqlite:///mlruns/mlflow.db"}
    told = subprocess.run([*command, *files], cwd=project.path, env=environment, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr[-3000:]
    (answer,) = json.loads((tmp_path / "out.json").read_text())["predictions"]
    assert set(answer) == {"response", "verdict", "reason"}


def test_soundmind_register_leaves_a_policy_that_is_known(project):
    done = project.run("register", "--env", "smoke", program="soundmind")
    assert done.returncode == 0, done.stderr
    assert "The policy is soundmind-smoke version 1 already." in " ".join(done.stdout.split())


def test_the_run_is_tagged_with_code_configuration_inputs_and_parents(project, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from soundmind_pipeline.tracking import open_experiment

    client, experiment = open_experiment(project.path)
    whole = client.search_runs([experiment], order_by=["start_time ASC"])[0]
    assert whole.info.run_name.startswith("rl reinforce_pp seed 0 [smoke] · ")
    assert whole.data.tags["soundmind.model_version"] == "soundmind-smoke/1"
    assert json.loads(whole.data.tags["soundmind.seeds"])["rl.seed"] == 0
    assert len(whole.data.tags["soundmind.conf_hash"]) == 64
    contexts = {entry.dataset.name: entry.tags[0].value for entry in whole.inputs.dataset_inputs}
    assert contexts == {
        "feature_index train": "train", "feature_index dev": "validation", "feature_index test": "eval",
    }  # fmt: skip
    done = project.run("run", "--env", "smoke", "--pipelines", "features")
    assert done.returncode == 0, done.stderr
    newest = client.search_runs([experiment], order_by=["start_time DESC"], max_results=1)[0]
    assert newest.data.tags["soundmind.parent_runs"] == whole.info.run_id
    assert "data/smoke/03_primary/manifest.parquet" in json.loads(newest.data.tags["soundmind.inputs"])

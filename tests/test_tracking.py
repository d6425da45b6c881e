import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.tracking import MlflowSink, open_experiment, tracking_uri


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


def test_sink_loses_no_metric(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client, experiment = open_experiment(tmp_path)
    run = client.create_run(experiment)
    sink = MlflowSink(client, run.info.run_id, interval=0.01)
    for step in range(1, 1201):
        sink.log(step, {"reward/total": step / 2})
    sink.flush()
    history = client.get_metric_history(run.info.run_id, "reward/total")
    assert sorted((metric.step, metric.value) for metric in history) == [(step, step / 2) for step in range(1, 1201)]

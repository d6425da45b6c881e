import time

import pytest

from soundmind_pipeline.runs.system import start_system_metrics


@pytest.fixture
def run(mlflow_store):
    client, experiment = mlflow_store
    return client, client.create_run(experiment).info.run_id, client.tracking_uri


def sample(run, times, monkeypatch):
    client, run_id, uri = run
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    monitor = start_system_metrics(run_id, uri)
    deadline = time.monotonic() + 600
    while monitor._logging_step < times and time.monotonic() < deadline:
        time.sleep(0.02)
    monitor.finish()
    return sorted(metric.step for metric in client.get_metric_history(run_id, "system/cpu_utilization_percentage"))


def test_a_continued_run_goes_on_after_its_last_sample(run, monkeypatch, caplog):
    first = sample(run, 2, monkeypatch)
    assert first == list(range(len(first))) and len(first) >= 2
    both = sample(run, len(first) + 2, monkeypatch)
    assert both == list(range(len(both))) and len(both) >= len(first) + 2
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_it_can_be_switched_off(run, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false")
    assert start_system_metrics(run[1], run[2]) is None

import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.live_metrics import LiveMetrics
from soundmind_pipeline.metrics import ListSink


def test_loads_the_sink_in_place(monkeypatch):
    sink = ListSink()
    monkeypatch.setattr(LiveMetrics, "sink", sink)
    LiveMetrics().load().log(3, {"sft/loss": 1.5})
    assert sink.rows == [(3, {"sft/loss": 1.5})]


def test_cannot_be_saved():
    with pytest.raises(DatasetError, match="input only"):
        LiveMetrics().save({})


def test_without_a_run_metrics_are_dropped():
    assert LiveMetrics().load().log(1, {"x": 1.0}) is None

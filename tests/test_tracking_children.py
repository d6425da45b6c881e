"""Nested MLflow runs: one a part, whatever interrupts their parent."""

import pytest
from mlflow.exceptions import MlflowException

from soundmind_pipeline.tracking import MlflowSink, end_children, open_experiment

TAGS = {"soundmind.trial": "abc"}


@pytest.fixture
def parent(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client, experiment = open_experiment(tmp_path)
    return MlflowSink(client, client.create_run(experiment).info.run_id, interval=60.0)


def children(parent):
    experiment = parent.client.get_run(parent.run_id).info.experiment_id
    return parent.client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.run_id}'")


def test_a_child_is_nested_and_holds_its_own_numbers(parent):
    params = {f"rl.key{number}": number for number in range(150)}
    with parent.child("full seed 0", params, TAGS) as child:
        child.log(1, {"reward/total": 0.5})
        assert children(parent)[0].info.status == "RUNNING"
    (run,) = children(parent)
    assert (run.info.run_name, run.info.status) == ("full seed 0", "FINISHED")
    assert run.data.metrics == {"reward/total": 0.5}
    assert (len(run.data.params), run.data.params["rl.key149"]) == (150, "149")
    assert run.data.tags["soundmind.trial"] == "abc"
    assert not parent.client.get_run(parent.run_id).data.metrics


@pytest.mark.parametrize(("error", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_an_interrupted_child_is_continued_by_the_same_parent(parent, error, status):
    with pytest.raises(error), parent.child("a", {"rl.seed": 0}, TAGS) as child:
        child.log(1, {"reward/total": 0.5})
        raise error
    (run,) = children(parent)
    assert run.info.status == status
    with parent.child("a", {"rl.seed": 0}, TAGS) as child:
        child.log(1, {"reward/total": 0.5})  # a resumed loop tells again what was done before
        child.log(2, {"reward/total": 0.6})
    (again,) = children(parent)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    history = parent.client.get_metric_history(run.info.run_id, "reward/total")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.5), (2, 0.6)]


def test_a_store_that_is_away_when_a_child_ends_costs_nothing(parent, monkeypatch):
    """A trial took hours: that its end could not be told must not be the end of the ablation."""
    write, away = parent.client.log_batch, [True]

    def log_batch(*arguments, **others):
        if away and others.get("metrics"):
            raise MlflowException("API request failed")
        return write(*arguments, **others)

    monkeypatch.setattr(parent.client, "log_batch", log_batch)
    with parent.child("a", {}, TAGS) as child:
        child.log(1, {"reward/total": 0.5})
    assert children(parent)[0].info.status == "RUNNING"
    away.clear()
    parent.flush()
    (run,) = children(parent)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"reward/total": 0.5})


def test_a_finished_child_is_left_alone(parent):
    with parent.child("a", {}, TAGS) as child:
        child.log(1, {"reward/total": 0.5})
    with parent.child("a", {}, TAGS) as child:
        child.log(2, {"reward/total": 0.7})
    (run,) = children(parent)
    assert run.data.metrics == {"reward/total": 0.5}


def test_other_tags_or_another_parent_make_another_child(parent):
    other = MlflowSink(parent.client, parent.client.create_run("1").info.run_id)
    for sink, tags in ((parent, TAGS), (parent, {"soundmind.trial": "def"}), (other, TAGS)):
        with sink.child("a", {}, tags):
            pass
    assert len(children(parent)) == 2 and len(children(other)) == 1


def test_children_of_a_killed_process_are_ended(parent):
    with parent.child("done", {}, TAGS):
        pass
    block = parent.child("left open", {}, {"soundmind.trial": "def"})
    block.__enter__()
    end_children(parent.client, parent.run_id, "KILLED")
    assert {run.info.run_name: run.info.status for run in children(parent)} == {
        "done": "FINISHED", "left open": "KILLED",
    }  # fmt: skip

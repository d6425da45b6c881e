"""Runs side by side, from a real MLflow store."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from rich.console import Console

from soundmind_pipeline.commands.compare import compare
from soundmind_pipeline.comparison.compare import compare_runs, flat_rows
from soundmind_pipeline.comparison.runs import RunFacts, fetch, find_runs
from soundmind_pipeline.comparison.show import show
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.statistics import mcnemar_exact_p, wilson_interval
from soundmind_pipeline.runs.tables import TABLE
from soundmind_pipeline.tracking import open_experiment


def answers(right, first=0):
    """Answers of both policies to as many problems as there are letters; ``+`` is right."""
    rows = [
        {"policy": policy, "setting": "audio_to_text", "uid": f"test/{first + place:04d}", "right": mark == "+"}
        for policy in ("sft", "rl")
        for place, mark in enumerate(right if policy == "rl" else "-" * len(right))
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A project whose store holds four runs: two alike but for β, one of other problems, one that failed early."""
    project = tmp_path_factory.mktemp("project")
    (project / "pyproject.toml").write_text(
        "[tool.kedro]\npackage_name='x'\nproject_name='x'\nkedro_init_version='1'\n"
    )
    patch = pytest.MonkeyPatch()
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client, experiment = open_experiment(project)
    ids = {}
    for name, beta, right, first in (
        ("one", "0.003", "++--------", 0),
        ("two", "0.01", "+++++++++-", 0),
        ("other", "0.003", "++++", 100),
    ):
        run = client.create_run(experiment, run_name=name, tags={"soundmind.env": "base", "kind": "good"})
        ids[name] = run.info.run_id
        client.log_param(ids[name], "rl.algorithm.kl_beta", beta)
        client.log_param(ids[name], "rl.steps", "20")
        client.log_metric(ids[name], "eval/audio_to_text/accuracy", right.count("+") / len(right))
        for step in range(1, 4):
            client.log_metric(ids[name], "reward/total", float(step), step=step)
        client.log_table(ids[name], answers(right, first), TABLE)
        client.set_terminated(ids[name])
    failed = client.create_run(experiment, run_name="failed")
    client.set_terminated(failed.info.run_id, "FAILED")
    yield project, client, experiment, ids
    patch.undo()


def facts(store, *wanted, tags=None):
    _, client, experiment, _ = store
    return [fetch(client, run) for run in find_runs(client, experiment, wanted, tags or {})]


def test_accuracies_carry_intervals_and_differences_are_paired(store):
    found = compare_runs(facts(store, "one", "two"))
    first, second = found["accuracy"]["audio_to_text"]
    assert (first["accuracy"], first["n"], first["ci95"]) == (0.2, 10, list(wilson_interval(2, 10)))
    assert "paired" not in first
    assert second["paired"]["difference"] == pytest.approx(0.7)
    assert second["paired"]["p"] == mcnemar_exact_p(7, 0)
    assert second["paired"]["n"] == 10
    low, high = second["paired"]["ci95"]
    assert 0.3 < low < 0.7 < high <= 1.0
    assert found["parameters"] == {"rl.algorithm.kl_beta": ["0.003", "0.01"]}
    assert found["metrics"]["reward/total"] == [3.0, 3.0]


def test_runs_on_other_problems_are_not_paired(store):
    cell = compare_runs(facts(store, "one", "other"))["accuracy"]["audio_to_text"][1]
    assert cell["accuracy"] == 1.0
    assert cell["paired"] is None
    assert "other problems" in shown(facts(store, "one", "other"))


def test_how_many_problems_both_answered_is_said():
    runs = [RunFacts(str(n), str(n), "FINISHED", {}, {}, {}, answers=answers("+-" * n)) for n in (6, 3)]
    assert compare_runs(runs)["accuracy"]["audio_to_text"][1]["paired"]["n"] == 6
    assert "on 6 in common" in shown(runs)
    assert "in common" not in shown([runs[1], runs[1]])


def test_a_stage_that_one_run_alone_ran_is_no_difference():
    everything = {"sft.lr": "1", "rl.seed": "0", "rl.steps": "3"}
    whole = RunFacts("a", "whole", "FINISHED", {}, everything, {"soundmind.stages": "sft,rl"})
    rl_alone = RunFacts("b", "rl", "FINISHED", {}, {"rl.seed": "5"}, {"soundmind.stages": "rl"})
    assert compare_runs([whole, rl_alone])["parameters"] == {"rl.seed": ["0", "5"], "rl.steps": ["3", None]}
    assert "whole  finished, ran sft, rl" in shown([whole, rl_alone])
    evaluated = RunFacts("c", "evaluation", "FINISHED", {}, {"evaluation.seed": "0"}, {})
    assert compare_runs([whole, evaluated])["parameters"] == {}


def test_the_same_uids_of_other_data_are_other_problems():
    def run(name, question):
        table = answers("++-").assign(question=[f"{question} {place}" for place in range(6)], label="entailed")
        return RunFacts(name, name, "FINISHED", {}, {}, {}, answers=table)

    of_seed_1, of_seed_2, again = run("a", "if tom"), run("b", "if anna"), run("c", "if tom")
    _, other, same = compare_runs([of_seed_1, of_seed_2, again])["accuracy"]["audio_to_text"]
    assert other["paired"] is None
    assert (same["paired"]["n"], same["paired"]["difference"]) == (3, 0.0)


def shown(runs):
    console = Console(record=True, width=500, file=io.StringIO())
    show(console, compare_runs(runs))
    return console.export_text()


def test_names_are_shown_as_they_are():
    runs = [
        RunFacts(str(place), f"rl [smoke] {place}", "FINISHED", {}, {"rl.x": f"[b]{place}"}, {}) for place in range(28)
    ]
    text = shown(runs)
    assert "A  0  rl [smoke] 0  finished" in text
    assert "AB  27  rl [smoke] 27  finished" in text
    assert "[b]27" in text


def test_a_run_that_failed_early_stands_beside_the_others(store):
    found = compare_runs(facts(store, "one", "failed"))
    assert found["accuracy"]["audio_to_text"][1] is None
    assert found["metrics"]["eval/audio_to_text/accuracy"] == [0.2, None]
    assert found["runs"][1]["status"] == "FAILED"


def test_runs_are_found_by_id_beginning_name_and_tag_once_each(store):
    _, _, _, ids = store
    assert [run.name for run in facts(store, ids["two"][:8], "one", "two", tags={"kind": "good"})] == [
        "two",
        "one",
        "other",
    ]


@pytest.mark.parametrize(
    ("wanted", "tags", "message"),
    [
        (("nobody",), {}, "'nobody': no run is called so"),
        (("one",), {}, "found 1"),
        ((), {}, "none is named"),
        ((), {"kind": "bad"}, "found 0"),
    ],
)
def test_what_is_missing_is_said_with_the_runs_there_are(store, wanted, tags, message):
    with pytest.raises(SoundmindError, match=message) as error:
        facts(store, *wanted, tags=tags)
    assert "two" in str(error.value)


def test_a_name_of_two_runs_is_refused(store):
    _, client, experiment, _ = store
    twins = [client.create_run(experiment, run_name="twin").info.run_id for _ in range(2)]
    with pytest.raises(SoundmindError, match="2 runs are called so") as error:
        facts(store, "twin", "one")
    assert all(twin[:8] in str(error.value) for twin in twins)


def test_the_command_prints_and_writes(store, monkeypatch):
    project, _, _, ids = store
    monkeypatch.chdir(project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (project / "out").mkdir()
    (project / "out" / "mine.txt").write_text("of the user's own")
    done = CliRunner().invoke(compare, ["one", "two", "--out", "out"])
    assert done.exit_code == 0, done.output
    for words in ("20.0 [6, 51]", "+70.0*", "rl.algorithm.kl_beta"):
        assert words in done.output
    written = {path.name for path in (project / "out").iterdir()}
    assert written == {"mine.txt", "comparison.json", "comparison.csv", "accuracy.svg", "curves.svg"}
    stored = json.loads((project / "out" / "comparison.json").read_text())
    table = pd.read_csv(project / "out" / "comparison.csv")
    difference = table[table["kind"] == "difference to the first"].iloc[0]
    assert difference["run_id"] == ids["two"]
    assert float(difference["value"]) == stored["accuracy"]["audio_to_text"][1]["paired"]["difference"]
    assert "two" in (project / "out" / "accuracy.svg").read_text()


def test_a_tag_without_value_is_refused(store, monkeypatch):
    monkeypatch.chdir(store[0])
    done = CliRunner().invoke(compare, ["--tag", "kind"])
    assert isinstance(done.exception, SoundmindError)
    assert "KEY=VALUE" in str(done.exception)


def test_the_long_table_holds_every_figure(store):
    comparison = compare_runs(facts(store, "one", "two"))
    table = flat_rows(comparison)
    assert table["kind"].value_counts().to_dict() == {
        "metric": 4,
        "accuracy": 2,
        "difference to the first": 1,
        "parameter": 2,
    }
    assert np.isfinite(table.loc[table["kind"] == "accuracy", ["low", "high"]].to_numpy(dtype=float)).all()

"""What a user sees and gets from `kedro run`, on the smoke environment."""

import json
import signal

import pytest

pytestmark = pytest.mark.slow

SETTINGS = ("audio_to_text", "text_to_text")


def test_one_command_builds_everything_upstream_and_says_so(smoke):
    project, done = smoke
    assert "Missing upstream, built first: ingestion, features, sft." in done.stdout + done.stderr
    stages = {path.stem for path in (project.reporting / "stages").glob("[a-z]*.json")}
    assert stages == {"ingestion", "features", "sft", "rl", "evaluation"}


def test_no_wall_of_warnings(smoke):
    _, done = smoke
    text = done.stdout + done.stderr
    assert "Warning" not in text, [line for line in text.splitlines() if "Warning" in line]
    assert "Traceback" not in text


def test_evaluation_json_has_the_stable_keys(smoke):
    project, _ = smoke
    evaluation = json.loads((project.reporting / "evaluation.json").read_text())
    for policy in ("sft", "rl"):
        for setting in SETTINGS:
            result = evaluation["policies"][policy][setting]
            assert {"accuracy", "n", "ci95", "format_valid", "reward"} <= set(result)
            low, high = result["ci95"]
            assert 0 <= low <= result["accuracy"] <= high <= 1
    for setting in SETTINGS:
        paired = evaluation["paired"][setting]
        sft, rl = (evaluation["policies"][policy][setting]["accuracy"] for policy in ("sft", "rl"))
        assert paired["difference"] == pytest.approx(rl - sft)
        assert paired["ci95"][0] <= paired["difference"] <= paired["ci95"][1]
    assert {"silence", "shuffled"} <= set(evaluation["controls"])
    assert all(0 <= value <= 1 for value in evaluation["shortcuts"].values())
    assert set(evaluation["seconds"]) == {"ingestion", "features", "sft", "rl", "evaluation"}


def test_the_final_table_names_the_places(smoke):
    _, done = smoke
    for place in ("data/smoke/08_reporting/report.html", "data/smoke/06_models/rl_policy", "make ui"):
        assert place in done.stdout


def test_mlflow_holds_live_metrics_params_and_tags(smoke, monkeypatch):
    project, _ = smoke
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from soundmind_pipeline.tracking import open_experiment

    client, experiment = open_experiment(project.path)
    run = client.search_runs([experiment], order_by=["start_time ASC"])[0]
    assert run.data.tags["soundmind.stages"] == "ingestion,features,sft,rl,evaluation"
    assert run.info.status == "FINISHED"
    assert run.data.tags["soundmind.env"] == "smoke"
    assert run.data.tags["soundmind.lineage"]
    assert run.data.params["rl.algorithm.name"] == "reinforce_pp"
    for name in (
        "sft/loss",
        "reward/total",
        "reward/answer",
        "policy/kl",
        "rollout/length",
        "eval/audio_to_text/accuracy",
    ):
        assert name in run.data.metrics, name
    evaluation = json.loads((project.reporting / "evaluation.json").read_text())
    small = json.loads((project.reporting / "metrics.json").read_text())
    for policy, cells in evaluation["policies"].items():
        for setting, cell in cells.items():
            for figure in ("accuracy", "format_valid", "reward"):
                assert run.data.metrics[f"eval/{policy}/{setting}/{figure}"] == pytest.approx(cell[figure])
                assert small[policy][setting][figure] == cell[figure]
            if "spoken" in cell:
                assert run.data.metrics[f"eval/{policy}/{setting}/wer"] == pytest.approx(cell["spoken"]["wer"])
    for control, cell in evaluation["controls"].items():
        assert run.data.metrics[f"eval/audio_to_text/{control}/accuracy"] == pytest.approx(cell["accuracy"])
    assert run.data.metrics["eval/audio_grounding_gap"] == pytest.approx(evaluation["audio_grounding_gap"])
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "reward/total")]
    assert sorted(steps) == list(range(1, len(steps) + 1))
    assert "report.html" in {item.path for item in client.list_artifacts(run.info.run_id)}
    attached = project.path / "mlruns" / "artifacts" / run.info.run_id / "artifacts" / "evaluation.json"
    assert json.loads(attached.read_text()) == evaluation


def test_what_is_there_is_reused_and_a_changed_parameter_is_named(project):
    manifest = project.path / "data" / "smoke" / "03_primary" / "manifest.parquet"
    before = manifest.stat().st_mtime_ns
    done = project.run("run", "--env", "smoke", "--pipelines", "features", "--params", "ingestion.verified.seed=77")
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 0, text
    assert "ingestion.verified.seed=" in text
    assert "now it is 77" in text
    assert "dvc repro" in text
    assert manifest.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--params", "rl.stepz=3"), "rl.stepz: unknown key; did you mean steps?"),
        (("--params", "rll.steps=3"), "rll: unknown parameter block; did you mean rl?"),
        (("--params", "rl.steps=many"), "rl.steps"),
        (("--pipelines", "trainn"), "trainn"),
    ],
)
def test_bad_input_is_one_message(project, arguments, named):
    done = project.run("run", "--env", "smoke", *arguments)
    text = done.stdout + done.stderr
    assert done.returncode == 1
    assert named in text
    assert "Traceback" not in text


def test_an_adapter_of_another_model_size_is_one_message(project, tmp_path):
    models = project.path / "data" / "smoke" / "06_models"
    config = models / "sft" / "config.json"
    whole = config.read_text()
    content = json.loads(whole)
    content["text_config"]["intermediate_size"] *= 2
    config.write_text(json.dumps(content))
    try:
        done = project.run("run", "--env", "smoke", "--pipelines", "evaluation", "--tags", "evaluation")
    finally:
        config.write_text(whole)
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1
    assert "another model size" in text
    assert "06_models/sft" in text
    assert "Traceback" not in text


def test_an_unwritable_mlruns_is_one_message(project, tmp_path):
    mlruns, kept = project.path / "mlruns", tmp_path / "kept"
    mlruns.rename(kept)
    mlruns.write_text("")
    try:
        done = project.run("run", "--env", "smoke", "--pipelines", "evaluation")
    finally:
        mlruns.unlink()
        kept.rename(mlruns)
    assert done.returncode == 1
    assert "mlruns cannot be written" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stdout + done.stderr


def test_ctrl_c_ends_cleanly_and_the_run_is_marked(project, monkeypatch):
    command = ("run", "--env", "smoke", "--pipelines", "sft", "--params", "sft.seed=5,sft.checkpoint_every=1")
    with project.started(*command) as process:
        for line in process.stdout:
            if "── sft" in line:
                break
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "Interrupted" in output
    assert "Traceback" not in output
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from soundmind_pipeline.tracking import open_experiment

    client, experiment = open_experiment(project.path)
    newest = client.search_runs([experiment], order_by=["start_time DESC"], max_results=1)[0]
    assert newest.info.status == "KILLED"
    assert not (project.reporting / "stages" / "sft.json").exists(), "an interrupted stage must not count as complete"
    again = project.run(*command)
    assert again.returncode == 0, again.stdout + again.stderr


def test_a_run_killed_outright_goes_on_in_the_same_mlflow_run(project, monkeypatch):
    command = ("run", "--env", "smoke", "--pipelines", "sft", "--params", "sft.seed=6,sft.checkpoint_every=1")
    with project.started(*command) as process:
        for line in process.stdout:
            if "hear:" in line:  # the first phase is over, and its checkpoints are written
                break
    again = project.run(*command)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Continuing MLflow run" in again.stdout
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from soundmind_pipeline.tracking import open_experiment

    client, experiment = open_experiment(project.path)
    runs = [run for run in client.search_runs([experiment]) if run.data.params.get("sft.seed") == "6"]
    assert [run.info.status for run in runs] == ["FINISHED"]
    steps = sorted(metric.step for metric in client.get_metric_history(runs[0].info.run_id, "sft/loss"))
    assert steps == list(range(1, steps[-1] + 1)), "no step lost, none doubled"
    attached = {item.path for item in client.list_artifacts(runs[0].info.run_id)}
    assert attached == {"sft_history.csv"}, "the report of an earlier run is not this run's"

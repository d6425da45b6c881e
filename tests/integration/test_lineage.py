"""From a figure of the report back to the problems' seed, on the artifacts of a real run."""

import json

import pytest

pytestmark = pytest.mark.slow

FIGURE = "data/smoke/08_reporting/evaluation.json:policies.rl.audio_to_text.accuracy"


def test_a_figure_is_traced_to_the_seed_of_its_problems(smoke):
    project, _ = smoke
    done = project.run("trace", FIGURE, program="soundmind")
    assert done.returncode == 0, done.stdout + done.stderr
    value = json.loads((project.reporting / "evaluation.json").read_text())["policies"]["rl"]["audio_to_text"][
        "accuracy"
    ]
    assert done.stdout.startswith(f"policies.rl.audio_to_text.accuracy = {value}\n")
    stages = ("evaluation", "rl", "sft", "features", "ingestion")
    places = [done.stdout.index(f"─ {stage}\n") for stage in stages]
    assert places == sorted(places)
    assert "ingestion.verified.seed=0" in done.stdout
    assert "collect_problems ← params:ingestion" in done.stdout
    assert "✗" not in done.stdout
    assert "Everything is what it was" in done.stdout


def test_the_chain_as_json_holds_what_stands_on_the_disk(smoke):
    project, _ = smoke
    done = project.run("trace", "08_reporting/report.html", "--json", program="soundmind", cwd="data/smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    report = document["artifacts"]["report"]
    assert report["inputs"]["evaluation_results"] == document["artifacts"]["evaluation_results"]["hash"]
    assert set(document["stages"]) == {"evaluation", "rl", "sft", "features", "ingestion"}
    (origin,) = document["stages"]["evaluation"]["origins"].values()
    assert origin["env"] == "smoke"
    assert origin["run_name"].startswith("rl reinforce_pp")
    assert document["changed"] == {}


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("rl_polcy", "Known are data/smoke/"),
        ("data/smoke/08_reporting/evaluation.json:policies.rl.audio", "Under policies.rl are"),
        ("data/smoke/08_reporting/evaluation.json:polices", "has no figure polices"),
        ("rl_policy:accuracy", "holds no figures"),
    ],
)
def test_what_is_not_there_is_one_message(smoke, what, named):
    project, _ = smoke
    done = project.run("trace", what, "--env", "smoke", program="soundmind")
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1
    assert named in text
    assert "Traceback" not in text


def test_a_changed_artifact_is_named_when_it_is_used_and_when_it_is_traced(project):
    history = project.reporting / "rl_history.csv"
    whole = history.read_text()
    history.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    try:
        traced = project.run("trace", "figures", "--env", "smoke", program="soundmind")
        used = project.run("run", "--env", "smoke", "--pipelines", "evaluation", "--tags", "evaluation")
    finally:
        history.write_text(whole)
    assert "rl_history.csv is not what it was. Made from it: data/smoke/08_reporting/figures" in traced.stdout
    text = " ".join((used.stdout + used.stderr).split())
    assert "rl is stale: data/smoke/08_reporting/rl_history.csv changed after it was made." in text
    assert used.returncode == 0, text

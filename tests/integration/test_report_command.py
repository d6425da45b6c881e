"""`soundmind report` after a real run: the same numbers from the saved answers, everywhere the same."""

import hashlib
import json
import re
import shutil

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

TABLE_CELL = re.compile(r'<data data-key="([^"]+)" value="([^"]+)">')


@pytest.fixture(scope="module")
def again(smoke, tmp_path_factory):
    """The smoke run's results, and what the command makes of its saved answers without its policies."""
    out, path = tmp_path_factory.mktemp("again"), tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(smoke[0].path, path, ignore=shutil.ignore_patterns("06_models"))  # marking needs no weights
    project = type(smoke[0])(path)
    done = project.run("report", "--env", "smoke", "--out", str(out), program="soundmind")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return project, out, done


def look_up(document, key):
    for part in re.split(r"(?<!\\)\.", key):
        document = document[part.replace(r"\.", ".")]
    return document


def test_the_numbers_are_those_of_the_run(again):
    project, out, done = again
    for name in ("evaluation.json", "metrics.json", "form_accuracies.csv", "tables/tables.json", "tables/table_4.tex"):
        assert (out / name).read_bytes() == (project.reporting / name).read_bytes(), name
    for figure in (project.reporting / "figures").iterdir():
        assert (out / "figures" / figure.name).read_bytes() == figure.read_bytes(), figure.name
    page = (out / "report.html").read_bytes()
    assert page == (project.reporting / "report.html").read_bytes()
    (origin,) = json.loads((project.reporting / "stages" / "evaluation.json").read_text())["origins"].values()
    for known in (origin["run_id"], origin["began"], origin["git_commit"] or "not in a git repository"):
        assert known.encode() in page
    assert "0 with another reward than before" in done.stdout
    answers = pd.read_parquet(project.path / "data" / "smoke" / "07_model_output" / "predictions.parquet")
    assert int(re.match(r"([\d,]+) answers", done.stdout).group(1).replace(",", "")) >= len(answers)


def test_report_tables_and_files_agree(again):
    _, out, _ = again
    evaluation = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    html = (out / "report.html").read_text(encoding="utf-8")
    shown = TABLE_CELL.findall(html)
    assert len(shown) > 150
    for key, raw in shown:
        value = look_up(evaluation, key)
        assert [float(part) for part in raw.split()] == (value if isinstance(value, list) else [value]), key
    tables = json.loads((out / "tables" / "tables.json").read_text(encoding="utf-8"))
    cells = []
    for table in tables.values():
        for row, keys in zip(table["rows"], table["keys"], strict=True):
            cells += [(key, row[column]) for column, key in keys.items()]
    assert ("policies.rl.audio_to_text.accuracy", evaluation["policies"]["rl"]["audio_to_text"]["accuracy"]) in cells
    assert all(look_up(evaluation, key) == value for key, value in cells)
    metrics = json.loads((out / "metrics.json").read_text())
    for policy in ("sft", "rl"):
        for setting, figures in metrics[policy].items():
            for name in ("accuracy", "format_valid", "reward"):
                assert figures[name] == evaluation["policies"][policy][setting][name]
    assert metrics["gain"] == {s: paired["difference"] for s, paired in evaluation["paired"].items() if paired}


def test_other_weights_mark_the_same_answers_otherwise(again, tmp_path):
    project, out, _ = again
    local = project.path / "conf" / "smoke" / "parameters_rl.yml"
    before = local.read_text()
    local.write_text(before + "\n  reward: {weights: {answer: 4.0}}\n")
    try:
        done = project.run("report", "--env", "smoke", "--out", str(tmp_path), program="soundmind")
    finally:
        local.write_text(before)
    assert done.returncode == 0, done.stderr[-4000:]
    old, new = (json.loads((folder / "evaluation.json").read_text()) for folder in (out, tmp_path))
    for policy, settings in new["policies"].items():
        for setting, cell in settings.items():
            earned = old["policies"][policy][setting]
            assert cell["accuracy"] == earned["accuracy"]
            assert cell["reward_terms"]["answer"] == pytest.approx(2 * earned["reward_terms"]["answer"])


def with_good_answers(answers, data):
    """The answers, references in the place of those that were written; a smoke run's earn nothing, whatever weighs."""
    references = pd.read_parquet(data / "04_feature" / "feature_index.parquet").set_index("uid")["reference_answer"]
    written = answers["setting"].eq("text_to_text") & answers["response"].notna()
    return answers.assign(response=answers["response"].mask(written, answers["uid"].map(references)))


def test_in_place_the_answers_get_the_marks_that_the_results_tell(project):
    data = project.path / "data" / "smoke"
    tables = [data / "07_model_output" / f"{name}.parquet" for name in ("predictions", "sampled_predictions")]
    written = [table.stat().st_mtime_ns for table in tables]
    done = project.run("report", "--env", "smoke", program="soundmind")
    assert done.returncode == 0 and "predictions.parquet" not in done.stdout, done.stderr[-4000:]
    assert [table.stat().st_mtime_ns for table in tables] == written
    before = [with_good_answers(pd.read_parquet(table), data) for table in tables]
    for table, answers in zip(tables, before, strict=True):
        answers.to_parquet(table, index=False)
    local = project.path / "conf" / "smoke" / "parameters_rl.yml"
    parameters = local.read_text()
    local.write_text(parameters + "\n  reward: {weights: {answer: 4.0, format_text: 3.0}}\n")
    try:
        done = project.run("report", "--env", "smoke", program="soundmind")
    finally:
        local.write_text(parameters)
    assert done.returncode == 0, done.stderr[-4000:]
    assert all(f"→ data/smoke/07_model_output/{table.name}" in done.stdout for table in tables)
    artifacts = json.loads((data / "08_reporting" / "stages" / "evaluation.json").read_text())
    for table, old in zip(tables, before, strict=True):
        new = pd.read_parquet(table)
        assert new["response"].equals(old["response"])
        assert new["reward"].max() == 3 + 4 + 1 and old["reward"].max() == 0
        noted = artifacts["artifacts"][table.stem]
        assert noted["made"]["hash"] == hashlib.md5(table.read_bytes()).hexdigest()
        assert artifacts["origins"][noted["origin"]]["run_name"] == "soundmind report"
    rows = pd.read_parquet(tables[0]).query("policy == 'rl' and setting == 'text_to_text' and control == 'none'")
    told = json.loads((data / "08_reporting" / "evaluation.json").read_text())["policies"]["rl"]["text_to_text"]
    assert told["reward"] == pytest.approx(rows["reward"].mean())


def test_other_answers_do_not_replace_the_runs_report(again):
    project, _, _ = again
    answers = project.path / "data" / "smoke" / "07_model_output" / "predictions.parquet"
    done = project.run("report", "--env", "smoke", "--predictions", str(answers), program="soundmind")
    assert done.returncode == 1
    assert "--predictions needs --out" in done.stderr

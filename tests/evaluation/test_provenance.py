"""Which run a report is of."""

from dataclasses import replace

import pytest

from soundmind_pipeline.evaluation.provenance import provenance
from soundmind_pipeline.stages import Artifact, Content, Origin

SETTINGS = {"sft": {"seed": 1}, "rl": {"seed": 2, "steps": 3}, "evaluation": {"seed": 0, "split": "test"}}
ORIGIN = Origin("smoke", "2026-01-02T03:04:05.678+00:00", "a" * 40, True, {}, {"torch": "2.13"}, "f" * 32, "all <1>")


@pytest.fixture
def answers():
    inputs = {"feature_index": Content("data/index.parquet", "0cc1"), "log_mels": Content("data/mels", "77.dir")}
    return Artifact(Content(), "evaluate_rl", inputs, ["rl"], ORIGIN.began), ORIGIN


def test_it_names_run_code_data_and_seeds(answers):
    assert provenance(answers, SETTINGS) == [
        ("run", "all <1>"),
        ("MLflow run", "f" * 32),
        ("began", "2026-01-02T03:04:05.678+00:00"),
        ("environment", "conf/smoke"),
        ("code", f"commit {'a' * 40}, with changes that are not committed"),
        ("problems", "data/index.parquet, hash 0cc1"),
        ("split", "test"),
        ("seeds", "sft 1, rl 2, evaluation 0"),
        ("versions", "torch 2.13"),
    ]


def test_what_is_not_known_is_said(answers):
    artifact, origin = answers
    said = dict(provenance((artifact, replace(origin, git_commit=None, run_id=None, run_name=None)), {}))
    assert (said["run"], said["MLflow run"], said["code"]) == ("without a name", "none", "not in a git repository")
    assert provenance(None, SETTINGS)[0] == ("run", "not recorded")


def test_the_report_begins_and_ends_with_it(render, evaluation, predictions, answers):
    html = render(evaluation, predictions, [], answers=answers)
    assert html.index("evaluation report · all &lt;1&gt;</p>") < html.index("<h1>")
    assert f"<dt>MLflow run</dt><dd>{'f' * 32}</dd>" in html
    assert html == render(evaluation, predictions, [], answers=answers)
    assert "<dt>run</dt><dd>not recorded</dd>" in render(evaluation, predictions, [])

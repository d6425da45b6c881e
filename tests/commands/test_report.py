"""What `soundmind report` refuses; what it does stands in tests/integration/test_report_command.py."""

import pytest
from click.testing import CliRunner
from kedro.pipeline import Pipeline

from soundmind_pipeline.commands.report import PREDICTIONS, report
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.pipelines.evaluation import create_pipeline


def test_other_answers_need_another_folder(tmp_path):
    answers = tmp_path / "predictions.parquet"
    answers.touch()
    result = CliRunner().invoke(report, ["--predictions", str(answers)])
    assert isinstance(result.exception, SoundmindError)
    assert "--predictions needs --out" in str(result.exception)


def test_an_environment_that_does_not_exist_is_named(tmp_path):
    result = CliRunner().invoke(report, ["--env", "nowhere", "--out", str(tmp_path)])
    assert isinstance(result.exception, SoundmindError)
    assert "conf/nowhere" in str(result.exception)


@pytest.fixture(scope="module")
def below() -> Pipeline:
    return create_pipeline().from_inputs(*PREDICTIONS)


def test_what_is_run_again_needs_no_policy_and_writes_everything(below):
    assert not {"sft_policy", "rl_policy", "log_mels", "live_metrics"} & below.inputs()
    assert {"evaluation_results", "evaluation_metrics", "figures", "paper_tables", "report"} <= below.all_outputs()

"""What `soundmind report` refuses; what it does stands in tests/integration/test_report_command.py."""

import pandas as pd
import pytest
from click.testing import CliRunner
from kedro.io import DatasetError
from kedro.pipeline import Pipeline

from soundmind_pipeline.commands.report import PREDICTIONS, _answers, report
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.pipelines.evaluation import create_pipeline


def test_other_answers_need_another_folder(tmp_path):
    answers = tmp_path / "predictions.parquet"
    answers.touch()
    result = CliRunner().invoke(report, ["--predictions", str(answers)])
    assert isinstance(result.exception, SoundmindError)
    assert "--predictions needs --out" in str(result.exception)


def test_other_answers_are_read_with_what_lies_beside_them(tmp_path):
    predictions = pd.DataFrame({"uid": ["test/0", "test/1", "test/2", "test/3"]})
    entry = {"type": "soundmind_pipeline.datasets.parquet_table.ParquetTableDataset", "filepath": "nowhere.parquet"}
    entries = dict.fromkeys(PREDICTIONS, entry)
    predictions.to_parquet(tmp_path / "mine.parquet", index=False)
    read = _answers(entries, tmp_path / "mine.parquet")
    assert len(read["predictions"]) == len(predictions) and read["sampled_predictions"].empty
    predictions.head(3).to_parquet(tmp_path / "sampled_predictions.parquet", index=False)
    assert len(_answers(entries, tmp_path / "mine.parquet")["sampled_predictions"]) == 3
    (tmp_path / "mine.parquet").write_text("junk")
    for answers in (tmp_path / "mine.parquet", None):
        with pytest.raises(DatasetError, match=r"mine.parquet is damaged|nowhere.parquet does not exist"):
            _answers(entries, answers)


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

import pandas as pd
import pytest

from soundmind_pipeline.runs.tables import COLUMNS, MAX_ROWS, TABLE, evaluation_table, log_evaluation_table


def answers(control="none", policy="rl", **changes):
    row = {"policy": policy, "setting": "audio_to_text", "control": control, "uid": "test/1", "label": 0}
    return {**row, "verdict": "entailed", "right": False, "response": "…", "reward_answer": 0.0, **changes}


@pytest.fixture
def predictions():
    return pd.DataFrame([answers(), answers("silence"), answers(uid="test/2", label=1, right=True)])


def test_people_see_question_label_and_verdict_side_by_side(predictions):
    table = evaluation_table(predictions, {"test/1": "so it follows?"})
    assert list(table.columns) == [column for column in COLUMNS if column in (*predictions, "question")]
    assert table["uid"].tolist() == ["test/1", "test/2"]
    assert table["label"].tolist() == ["not entailed", "entailed"]
    assert table["question"].tolist()[0] == "so it follows?"
    assert predictions["label"].tolist() == [0, 0, 1]


def test_a_long_table_is_cut():
    predictions = pd.DataFrame([answers(policy="sft")] * MAX_ROWS + [answers()] * 3)
    table = evaluation_table(predictions, {})
    assert len(table) == MAX_ROWS
    assert (table["policy"] == "rl").sum() == 3, "the final policy's answers are what runs are compared by"


def test_a_run_that_is_continued_holds_each_row_once(predictions, mlflow_store):
    client, experiment = mlflow_store
    run_id = client.create_run(experiment).info.run_id
    table = evaluation_table(predictions, {})
    for _ in range(2):
        log_evaluation_table(client, run_id, table)
    kept = pd.read_json(client.download_artifacts(run_id, TABLE), orient="split")
    assert kept["uid"].tolist() == ["test/1", "test/2"]

import json

import pandas as pd
import pytest

from soundmind_pipeline.runs.inputs import dataset_inputs, rows_digest, split_contexts


@pytest.fixture
def index():
    rows = [("train", "t1", 1), ("train", "t2", 0), ("dev", "d1", 1), ("test", "x1", 0)]
    return pd.DataFrame(rows, columns=["split", "uid", "label"])


def test_each_split_is_an_input_with_what_it_is_read_for(index):
    inputs = dataset_inputs("feature_index", index, "data/index.parquet", {"train": "train", "dev": "validation"})
    assert [entry.dataset.name for entry in inputs] == ["feature_index train", "feature_index dev"]
    assert [tag.value for entry in inputs for tag in entry.tags] == ["train", "validation"]
    assert json.loads(inputs[0].dataset.profile)["num_rows"] == 2
    assert json.loads(inputs[0].dataset.source) == {"uri": "data/index.parquet"}
    assert len(inputs[0].dataset.digest) <= 36  # MLflow's limit


def test_the_digest_is_that_of_the_splits_own_rows(index):
    contexts = {"train": "train", "test": "eval"}
    before = [entry.dataset.digest for entry in dataset_inputs("i", index, "p", contexts)]
    index.loc[3, "label"] = 1
    after = [entry.dataset.digest for entry in dataset_inputs("i", index, "p", contexts)]
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_order_and_names_of_columns_count_but_not_the_index(index):
    assert rows_digest(index) == rows_digest(index.set_index(pd.Index(range(10, 14))))
    assert rows_digest(index) != rows_digest(index.iloc[::-1])
    assert rows_digest(index) != rows_digest(index.rename(columns={"label": "verdict"}))


def test_a_split_without_rows_is_no_input(index):
    assert dataset_inputs("i", index, "p", {"nothing": "eval"}) == []


def test_stages_read_splits_for_their_own_purpose():
    assert split_contexts("sft", {}) == {"train": "train"}
    assert split_contexts("rl", {}) == {"train": "train", "dev": "validation"}
    assert split_contexts("evaluation", {"evaluation.split": "test"}) == {"test": "eval"}
    assert split_contexts("features", {}) == {}


def test_mlflow_takes_them(index, mlflow_store):
    client, experiment = mlflow_store
    run_id = client.create_run(experiment).info.run_id
    inputs = dataset_inputs("feature_index", index, "data/index.parquet", {"train": "train", "test": "eval"})
    for _ in range(2):  # a run that is continued logs them again
        client.log_inputs(run_id, inputs)
    kept = client.get_run(run_id).inputs.dataset_inputs
    assert {entry.dataset.name: entry.dataset.digest for entry in kept} == {
        entry.dataset.name: entry.dataset.digest for entry in inputs
    }
    assert len(kept) == 2

"""Where an output of a stage came from."""

import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.stage_origin import StageOriginDataset
from soundmind_pipeline.stages import Artifact, Content, Origin, StageRecord, StageRecords

BEGAN = "2026-01-02T03:04:05.678+00:00"


def record(run_id):
    artifact = Artifact(Content(), "evaluate_rl", {"rl_policy": Content("models/rl", "12.dir")}, origin=BEGAN)
    origin = Origin("smoke", BEGAN, run_id=run_id)
    return StageRecord("evaluation", 1.0, artifacts={"rl_predictions": artifact}, origins={BEGAN: origin})


@pytest.fixture
def dataset(tmp_path):
    return StageOriginDataset(path=str(tmp_path), stage="evaluation", output="rl_predictions")


def test_a_stage_that_is_not_complete_tells_as_far_as_it_got(dataset, tmp_path):
    assert dataset.load() is None
    unfinished = tmp_path / ".unfinished"
    StageRecords(unfinished).write(record("begun"))
    artifact, origin = dataset.load()
    assert (artifact.inputs["rl_policy"].hash, origin.run_id) == ("12.dir", "begun")
    StageRecords(tmp_path).write(record("done"))
    assert dataset.load()[1].run_id == "done"


def test_what_the_stage_has_not_made_is_none(tmp_path):
    StageRecords(tmp_path).write(record("done"))
    assert StageOriginDataset(path=str(tmp_path), stage="evaluation", output="predictions").load() is None


def test_cannot_be_saved(dataset):
    with pytest.raises(DatasetError, match="input only"):
        dataset.save({})

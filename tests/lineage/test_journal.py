import json

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.lineage.hashes import Hashes
from soundmind_pipeline.lineage.journal import agreed_recipe, remake, renew, tool_versions
from soundmind_pipeline.lineage.staleness import file_changes
from soundmind_pipeline.runs.dvc_hashes import dvc_md5
from soundmind_pipeline.stages import Origin, StageRecords

from . import conftest


def fail(*_):
    raise SoundmindError("stopped")


def test_each_output_remembers_what_it_was_made_from(tiny):
    tiny.run("ingestion", "features")
    ingestion, features = (tiny.records.read(stage) for stage in ("ingestion", "features"))
    drawn, manifest = ingestion.artifacts["drawn"], ingestion.artifacts["manifest"]
    assert (drawn.node, drawn.parameters, drawn.made.path) == ("collect", ["ingestion"], None)
    assert drawn.inputs["raw_data"].hash == dvc_md5(tiny.file("raw_data"))
    assert set(manifest.inputs) == {"drawn"}, "a scratch folder is no input"
    assert manifest.made.hash == dvc_md5(tiny.file("manifest"))
    assert features.artifacts["feature_index"].inputs["manifest"] == manifest.made
    origin = features.origins[features.artifacts["feature_index"].origin]
    assert (origin.env, origin.run_id, origin.run_name) == ("tiny", "a1b2c3d4e5", "tiny run")
    assert origin.recipe == features.recipe
    assert {"python", "torch", "kedro"} <= set(origin.tools)


def test_a_stage_stopped_before_its_last_node_is_not_complete(tiny, monkeypatch):
    tiny.run("ingestion", "features")
    monkeypatch.setattr(conftest.PIPELINES["features"].nodes[1], "_func", fail)
    with pytest.raises(SoundmindError, match="stopped"):
        tiny.run("features")
    assert tiny.records.read("features") is None
    assert tiny.records.read("ingestion") is not None


def test_a_slice_keeps_what_is_known_of_the_rest(tiny, monkeypatch):
    tiny.run("ingestion", "features")
    before = tiny.records.read("features")
    tiny.run("features", nodes=("measure",))
    after = tiny.records.read("features")
    assert after.artifacts["feature_index"] == before.artifacts["feature_index"]
    assert after.artifacts["measured"].origin != before.artifacts["measured"].origin
    assert set(after.origins) == {one.origin for one in after.artifacts.values()}


def test_a_stage_of_which_only_what_is_missing_was_made_is_complete(tiny):
    tiny.run("ingestion", "features")
    before = tiny.records.read("features")
    tiny.file("measured").unlink()
    tiny.run("ingestion", "features", only_missing_outputs=True)
    after = tiny.records.read("features")
    assert after.artifacts["feature_index"] == before.artifacts["feature_index"]
    assert after.artifacts["measured"].origin != before.artifacts["measured"].origin
    assert tiny.records.read("ingestion") is not None


def test_a_slice_with_other_code_does_not_pass_for_the_whole_stage(tiny):
    tiny.run("ingestion", "features")
    (tiny.path / conftest.CODE.format("features")).write_text("STAGE = 'changed'\n")
    tiny.run("features", nodes=("measure",))
    assert tiny.records.read("features").recipe["code"] == "several"


def test_a_slice_that_ends_an_interrupted_stage_knows_it_all(tiny, monkeypatch):
    tiny.run("ingestion")
    with monkeypatch.context() as patched:
        patched.setattr(conftest.PIPELINES["features"].nodes[1], "_func", fail)
        with pytest.raises(SoundmindError):
            tiny.run("features")
    tiny.run("features", nodes=("measure",))
    record = tiny.records.read("features")
    assert set(record.artifacts) == {"feature_index", "measured"}
    assert record.artifacts["feature_index"].inputs["manifest"].hash == dvc_md5(tiny.file("manifest"))
    assert not list((tiny.records.folder / ".unfinished").glob("*.json"))


def test_a_dataset_that_is_completed_later_makes_nothing_stale(tiny):
    hooks = tiny.run("ingestion", "features")
    tiny.file("feature_index").write_text(json.dumps({"accuracy": {}, "seconds": 1}))
    assert file_changes(tiny.records.read("features").artifacts.values(), hooks.hashes)
    renew(tiny.records, "features", "feature_index", hooks.hashes)
    assert file_changes(tiny.records.read("features").artifacts.values(), hooks.hashes) == {}


def test_what_a_command_makes_again_has_that_command_for_origin(tiny):
    hooks = tiny.run("ingestion", "features")
    before = tiny.records.read("features")
    tiny.file("measured").write_text("{}")
    origin = Origin("tiny", "now", recipe={"code": "other"}, run_name="soundmind report")
    remake(tiny.records, "features", {"measured"}, origin, hooks.hashes)
    after = tiny.records.read("features")
    assert file_changes(after.artifacts.values(), hooks.hashes) == {}
    assert after.origins[after.artifacts["measured"].origin] == origin
    assert after.artifacts["feature_index"] == before.artifacts["feature_index"]
    assert after.recipe["code"] == "several"


def test_nothing_is_noted_of_a_stage_that_is_not_complete(tmp_path):
    renew(StageRecords(tmp_path), "features", "feature_index", Hashes(tmp_path, tmp_path / "cache"))
    assert not list(tmp_path.iterdir())


def test_runs_agree_on_what_is_the_same():
    origins = [
        Origin("a", "1", recipe={"code": "x", "catalog": "c"}),
        Origin("b", "2", recipe={"code": "y", "catalog": "c"}),
    ]
    assert agreed_recipe(origins) == {"code": "several", "catalog": "c"}


def test_versions_are_those_of_the_packages():
    import numpy

    assert tool_versions()["numpy"] == numpy.__version__

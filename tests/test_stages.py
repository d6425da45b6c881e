import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.stages import StageRecord, StageRecords, changed_parameters, flatten


def test_a_record_survives_the_disk_and_can_be_taken_back(tmp_path):
    records = StageRecords(tmp_path / "stages")
    assert records.read("sft") is None
    records.write(StageRecord("sft", 12.5, {"sft.seed": 0}, lineage="x"))
    assert records.read("sft") == StageRecord("sft", 12.5, {"sft.seed": 0}, lineage="x")
    assert records.seconds() == {"sft": 12.5}
    records.remove("sft")
    assert records.read("sft") is None


def test_a_damaged_record_is_named(tmp_path):
    records = StageRecords(tmp_path)
    records.path("rl").write_text('{"stage": "rl", ')
    with pytest.raises(SoundmindError, match=r"rl\.json is damaged"):
        records.read("rl")


def test_flatten_keeps_lists_whole():
    assert flatten({"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None}) == {"a.b": 1, "a.c.d": [1, 2], "e": None}


def test_changed_parameters_names_value_then_and_now():
    record = StageRecord("rl", 1.0, {"rl.steps": 30, "rl.seed": 0, "rl.gone": 1})
    now = {"rl.steps": 40, "rl.seed": 0, "rl.new": (1, 2)}
    assert changed_parameters(record, now) == [("rl.gone", 1, None), ("rl.new", None, [1, 2]), ("rl.steps", 30, 40)]

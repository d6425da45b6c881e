import json
import logging

import pytest

from soundmind_pipeline.lineage.staleness import SHOWN, StageChanges, warnings_about
from soundmind_pipeline.stages import StageRecord

from . import conftest


def stale_lines(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def nothing(tiny):
    pass


def raw_data_edited(tiny):
    tiny.file("raw_data").write_text(json.dumps({"questions": ["c"]}))


def manifest_edited(tiny):
    tiny.file("manifest").write_text(json.dumps({"questions": []}))


def manifest_built_again_alike(tiny):
    tiny.run("ingestion")


def ingestion_built_again_from_other_data(tiny):
    raw_data_edited(tiny)
    tiny.run("ingestion")


def parameter_changed(tiny):
    tiny.parameters["ingestion"] = {"verified": {"seed": 7}}


def default_written_down(tiny):
    tiny.parameters["ingestion"] = {"verified": {"seed": 0}}


def code_changed(tiny):
    (tiny.path / conftest.CODE.format("ingestion")).write_text("STAGE = 'other'\n")


def own_code_changed(tiny):
    (tiny.path / conftest.CODE.format("features")).write_text("STAGE = 'other'\n")


def catalog_changed(tiny):
    tiny.catalog["raw_data"]["metadata"] = {"kedro-viz": {"layer": "raw"}}


MANIFEST, RAW = "data/03_primary/manifest.json", "data/01_raw/raw.json"
REUSED = "Reusing what is there; `dvc repro` rebuilds what changed."


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (nothing, []),
        (manifest_built_again_alike, []),
        (default_written_down, []),
        (own_code_changed, []),  # the stage runs: nothing of it is reused
        (ingestion_built_again_from_other_data, []),
        (raw_data_edited, [f"ingestion is stale: made from another {RAW} than the one there now."]),
        (manifest_edited, [f"ingestion is stale: {MANIFEST} changed after it was made."]),
        (parameter_changed, ["ingestion is stale: built with ingestion.verified.seed=0, now it is 7."]),
        (code_changed, ["Stages whose code changed since they were built: ingestion."]),
        (catalog_changed, ["ingestion is stale: built with another catalog."]),
    ],
)
def test_what_a_run_reuses_is_named_when_it_is_stale(tiny, caplog, change, named):
    tiny.run("ingestion", "features")
    change(tiny)
    caplog.clear()
    tiny.run("features")
    assert stale_lines(caplog) == ([*named, REUSED] if named else [])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (nothing, []),
        (manifest_edited, [f"ingestion is stale: {MANIFEST} changed after it was made. Resting on it: features."]),
        (own_code_changed, ["Stages whose code changed since they were built: features."]),
        (
            ingestion_built_again_from_other_data,
            [f"features is stale: made from another {MANIFEST} than the one there now."],
        ),
    ],
)
def test_a_slice_names_the_part_of_its_stage_that_it_reuses(tiny, caplog, change, named):
    tiny.run("ingestion", "features")
    change(tiny)
    caplog.clear()
    tiny.run("features", nodes=("measure",))
    assert stale_lines(caplog) == ([*named, REUSED] if named else [])


def test_records_of_older_versions_accuse_no_one(tiny, caplog):
    tiny.run("ingestion")
    path = tiny.records.path("ingestion")
    content = json.loads(path.read_text())
    path.write_text(json.dumps({key: content[key] for key in ("stage", "seconds", "parameters", "lineage")}))
    caplog.clear()
    tiny.run("features")
    assert stale_lines(caplog) == []


def test_many_reasons_stay_one_line():
    parameters = tuple((f"rl.k{i}", 0, 1) for i in range(SHOWN + 4))
    lines = warnings_about(
        [StageChanges(StageRecord("rl", 1.0), parameters, code=True), StageChanges(StageRecord("sft", 1.0), code=True)]
    )
    assert len(lines) == 3
    assert lines[0].endswith("; and 4 more parameters.")
    assert lines[1] == "Stages whose code changed since they were built: rl, sft."

import json

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.lineage.chain import Lineage, as_document

FEATURES = "data/04_feature/feature_index.json"


def lineage_of(tiny, hooks):
    return Lineage(tiny.records.folder, hooks.hashes)


def test_the_chain_reaches_raw_data_through_what_stayed_in_memory(tiny):
    lineage = lineage_of(tiny, tiny.run("ingestion", "features"))
    link = lineage.link(*lineage.find("measured"))
    assert [one.dataset for one in link] == ["measured", "feature_index", "manifest", "drawn", "raw_data"]
    assert [one.stage for one in link] == ["features", "features", "ingestion", "ingestion", None]
    assert not link.stale
    manifest = next(one for one in link if one.dataset == "manifest")
    assert [one.dataset for one in manifest.files_above()] == ["raw_data"]


@pytest.mark.parametrize("name", ["feature_index", FEATURES])
def test_an_artifact_is_found_by_name_and_path(tiny, name):
    assert lineage_of(tiny, tiny.run("ingestion", "features")).find(name) == ("features", "feature_index")


def test_a_file_in_a_folder_belongs_to_the_folder(tiny):
    lineage = lineage_of(tiny, tiny.run("ingestion", "features"))
    assert lineage.find(f"{FEATURES}/part/1.json") == ("features", "feature_index")


def test_what_no_stage_made_is_named_with_what_is_known(tiny):
    lineage = lineage_of(tiny, tiny.run("ingestion"))
    with pytest.raises(
        SoundmindError, match=r"how feature_index was made[^§]*Known are data/03_primary/manifest\.json"
    ):
        lineage.find("feature_index")


def test_without_records_the_next_step_is_told(tiny, tmp_path):
    from soundmind_pipeline.lineage.hashes import Hashes

    with pytest.raises(SoundmindError, match="run anew"):
        Lineage(tmp_path / "nowhere", Hashes(tmp_path, tmp_path / "cache")).find("manifest")


def test_a_damaged_record_is_named(tiny):
    hooks = tiny.run("ingestion", "features")
    path = tiny.records.path("features")
    path.write_text(path.read_text().replace('"made"', '"mad"', 1))
    with pytest.raises(SoundmindError, match=r"features\.json is damaged"):
        lineage_of(tiny, hooks)


def test_what_rests_on_a_changed_file_is_stale_and_listed(tiny):
    hooks = tiny.run("ingestion", "features")
    tiny.file("raw_data").write_text(json.dumps({"questions": ["c"]}))
    lineage = lineage_of(tiny, hooks)
    link = lineage.link(*lineage.find("measured"))
    assert link.stale and not link.problems
    assert [one.dataset for one in link if one.problems] == ["drawn"]
    resting = ["data/03_primary/manifest.json", FEATURES, "data/08_reporting/measured.json"]
    assert lineage.resting_on("data/01_raw/raw.json") == resting
    assert lineage.resting_on("data/08_reporting/measured.json") == []


def test_the_document_holds_the_hashes_that_were_read(tiny):
    lineage = lineage_of(tiny, tiny.run("ingestion", "features"))
    document = as_document(lineage.link(*lineage.find("feature_index")))
    assert document["feature_index"]["inputs"] == {"manifest": document["manifest"]["hash"]}
    assert document["feature_index"]["parameters"] == ["features"]
    assert document["raw_data"]["stage"] is None
    assert json.loads(json.dumps(document)) == document


def test_a_stage_that_was_interrupted_is_told(tiny, monkeypatch):
    from . import conftest

    hooks = tiny.run("ingestion", "features")
    monkeypatch.setattr(conftest.PIPELINES["features"].nodes[1], "_func", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tiny.run("features")
    lineage = lineage_of(tiny, hooks)
    assert lineage.unfinished == ["features"]
    assert lineage.link(*lineage.find("feature_index")).content.path == FEATURES

import io
import json

from rich.console import Console

from soundmind_pipeline.lineage.chain import Lineage
from soundmind_pipeline.lineage.show import origin_line, short_hash, show_chain, show_verdict, tools_line
from soundmind_pipeline.lineage.staleness import stage_changes
from soundmind_pipeline.stages import Origin


def shown(tiny, hooks, recipe=None):
    lineage = Lineage(tiny.records.folder, hooks.hashes)
    link = lineage.link(*lineage.find("measured"))
    changes = {
        stage: stage_changes(record, recipe or record.recipe, record.parameters, hooks.hashes)
        for stage, record in lineage.records.items()
    }
    console = Console(file=io.StringIO(), width=200)
    show_chain(console, link, changes, lineage.unfinished)
    raw = "data/01_raw/raw.json"
    show_verdict(console, link, changes, {raw: lineage.resting_on(raw)} if link.stale else {})
    return console.file.getvalue()


def test_the_tree_goes_from_the_last_stage_to_raw_data(tiny):
    text = shown(tiny, tiny.run("ingestion", "features"))
    places = [text.index(word) for word in ("features\n", "ingestion\n", "raw data\n")]
    assert places == sorted(places)
    assert "run a1b2c3d4 “tiny run”" in text
    assert "ingestion.verified.seed=0" in text
    assert "release ← raw_data" in text, "what stays in memory is looked through"
    assert "✗" not in text
    assert "Everything is what it was" in text


def test_what_changed_is_marked_where_it_was_used(tiny):
    hooks = tiny.run("ingestion", "features")
    tiny.file("raw_data").write_text(json.dumps({"questions": ["c"]}))
    text = shown(tiny, hooks, recipe={"code": "0" * 16})
    lines = text.splitlines()
    assert lines[0].startswith("! "), "the artifact rests on something that changed"
    assert any("✗ its code changed since" in line for line in lines)
    assert "data/01_raw/raw.json is not what it was. Made from it: data/03_primary/manifest.json" in text
    assert "Would be made otherwise today: ingestion, features." in text
    assert "`dvc repro` rebuilds what changed" in text


def test_an_origin_is_one_line():
    origin = Origin("base", "2026-11-23T19:10:23.385+00:00", "5bcce54a6d", True, {"code": "66b4ab7d2fc8042d"})
    assert (
        origin_line(origin) == "23 Nov 2026 19:10 · env base · commit 5bcce54a and uncommitted changes · code 66b4ab7d"
    )


def test_tools_of_today_are_named_where_they_differ():
    origin = Origin("base", "", tools={"torch": "2.13", "peft": "0.20", "piper-tts": "1.8"})
    told = tools_line(origin, {"torch": "2.13", "peft": "0.21"})
    assert told == "torch 2.13, peft 0.20 (now 0.21), piper-tts 1.8 (now not installed)"


def test_hashes_are_shortened_to_what_tells_them_apart():
    assert short_hash("sampled:da860f533e74425ad227edebe424828d") == "da860f53"
    assert short_hash("b63d8df89441eeed25b4225878301562.dir") == "b63d8df8"
    assert short_hash(None) == "nothing"

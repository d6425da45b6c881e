"""Every source through the whole stage, on a few problems each."""

import json
import runpy
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from kedro.runner import SequentialRunner

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.pipelines import ingestion
from soundmind_pipeline.pipelines.ingestion.params import IngestionParams
from soundmind_pipeline.problems.schema import validate_row

damage = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[2] / "speech" / "damage.py")))

NAMES = ("anna", "boris", "clara", "david", "emma", "felix", "greta", "hugo")
LENIENT = {"min_seconds": 0.3, "max_seconds": 60.0, "min_entailed": 0.0, "max_entailed": 1.0, "splits": ["dev"]}


def record(number: int, label: int = 1) -> dict[str, Any]:
    """A published record whose question is spoken in about six seconds."""
    name = NAMES[number % len(NAMES)]
    prompt = (
        f'Major premise is "Everyone in the house of {name} sings".\n'
        f'Minor premise is "The {number}th guest stays in that house".\n'
        f'Conclusion is "That guest {"sings" if label else "dances"}".\n\nYour task is to decide.'
    )
    verdict = "entailed" if label else "not-entailed"
    return {
        "id": f"{number:04d}",
        "user_content": prompt,
        "answer": f"Ask {name}.\n\nAnswer: {verdict}.",
        "label": label,
    }


def write_folder(root: Path, records: list[dict[str, Any]]) -> None:
    """The published layout, each sound with a seed of its own."""
    for place, row in enumerate(records):
        folder = root / "dev" / row["id"]
        folder.mkdir(parents=True)
        (folder / "annotation.json").write_text(json.dumps(row))
        soundfile.write(folder / "question.wav", damage.speech_like(8.0, 24_000, seed=2 * place), 24_000)
        name = f"answer_{row['label']}.wav"
        soundfile.write(folder / name, damage.speech_like(2.0, 24_000, seed=2 * place + 1), 24_000)


def ingest(catalog: Any, *nodes: str) -> pd.DataFrame:
    pipeline = ingestion.create_pipeline()
    SequentialRunner().run(pipeline.only_nodes(*nodes) if nodes else pipeline, catalog)
    return catalog.load("manifest")


def soundmind(**changes: Any) -> IngestionParams:
    settings = {"source": "soundmind", "expectations": LENIENT, "max_quarantined": 0.5}
    return IngestionParams.model_validate(settings | changes)


def test_published_sound_is_used_in_place_and_missing_sound_is_spoken(project_catalog, tmp_path):
    raw = tmp_path / "data/01_raw/soundmind"
    write_folder(raw, [record(1), record(2, 0), record(3)])
    (raw / "dev/0002/question.wav").unlink()
    manifest = ingest(project_catalog("ingestion", params_ingestion=soundmind())).set_index("uid")
    assert manifest["question_audio"].tolist() == [
        "data/01_raw/soundmind/dev/0001/question.wav",
        "data/02_intermediate/speech/dev/0002.wav",
        "data/01_raw/soundmind/dev/0003/question.wav",
    ]
    assert manifest["answer_audio"]["dev/0002"] == "data/01_raw/soundmind/dev/0002/answer_0.wav"
    for uid, row in manifest.iterrows():
        assert validate_row(row.to_dict() | {"uid": uid}) == []
        assert sha256_of(tmp_path / row["question_audio"]) == row["question_sha256"]
        assert (row["answer_seconds"], row["answer_speech_seconds"] > 1) == (2.0, True)
        assert -40 < row["question_loudness_db"] < 0
    said = manifest["provenance"].map(json.loads).str["speech"]
    assert said["dev/0001"] == {
        "file": "data/01_raw/soundmind/dev/0001/question.wav",
        "answer": {"file": "data/01_raw/soundmind/dev/0001/answer_1.wav"},
    }
    assert said["dev/0002"]["engine"].startswith("espeak-ng")
    assert not list((tmp_path / "data/02_intermediate").rglob("0001.wav"))  # nothing was copied


def test_the_clips_of_a_manifest_are_read_at_16_khz(project_catalog, tmp_path):
    write_folder(tmp_path / "data/01_raw/soundmind", [record(1), record(2, 0)])
    catalog = project_catalog("ingestion", params_ingestion=soundmind())
    ingest(catalog)
    assert len(catalog.load("question_speech")["dev/0001"]) == 128_000
    assert len(catalog.load("answer_speech")["dev/0002"]) == 32_000


def test_damaged_published_data_end_in_the_manifest_or_in_quarantine_and_nowhere_else(project_catalog, tmp_path):
    """One sample for each kind of damage to a question, beside whole ones and broken records."""
    raw = tmp_path / "data/01_raw/soundmind"
    kinds = list(damage.DAMAGE)
    records = [record(number, number % 2) for number in range(1, len(kinds) + 11)]
    write_folder(raw, records)
    expected = {}
    for kind, row in zip(kinds, records, strict=False):
        folder = tmp_path / "damaged" / row["id"] / "clips"
        folder.mkdir(parents=True)
        (make, defect), question = damage.DAMAGE[kind], raw / "dev" / row["id"] / "question.wav"
        made = make(folder)
        for clip in folder.iterdir():
            if clip.suffix in (".wav", ".flac", ".mp3", ".ogg") and made == clip:
                question.unlink()
                if clip.is_symlink():
                    question.symlink_to(clip)  # wherever that leads, it is not in the source's folder
                else:
                    clip.rename(question.with_suffix(clip.suffix))
                expected[f"dev/{row['id']}"] = "outside" if defect == "missing" else defect
    (raw / "dev" / records[-1]["id"] / "annotation.json").write_text("{not json")
    (raw / "dev" / records[-2]["id"] / "annotation.json").write_text(json.dumps(records[-2] | {"id": "../../etc"}))
    catalog = project_catalog("ingestion", params_ingestion=soundmind(max_quarantined=1.0))
    manifest = ingest(catalog)
    quarantine = catalog.load("quarantine")
    assert len(expected) >= 45
    assert len(manifest) + len(quarantine) == len(records)
    assert not set(manifest["uid"]) & set(quarantine["uid"])
    found = dict(zip(quarantine["uid"], quarantine["reason"], strict=True))
    for uid, defect in expected.items():
        assert found.pop(uid).startswith(f"question_audio: {defect}: ")
    assert len(found) == 2
    assert quarantine["place"].str.contains("question|annotation").all()


@pytest.mark.parametrize("speak_missing", [True, False])
def test_annotations_without_sound(project_catalog, tmp_path, speak_missing):
    raw = tmp_path / "data/01_raw/published"
    raw.mkdir(parents=True)
    lines = [json.dumps(record(1)), "{broken", json.dumps(record(2, 0)), json.dumps(record(3) | {"id": "../x"})]
    (raw / "dev.jsonl").write_text("\n".join(lines))
    params = soundmind(
        soundmind={"folder": "published", "speak_missing": speak_missing}, speech={"answers": True}, max_quarantined=1.0
    )
    catalog = project_catalog("ingestion", params_ingestion=params)
    if not speak_missing:
        with pytest.raises(SoundmindError):  # there is no manifest in an empty one
            ingest(catalog)
        assert catalog.load("quarantine")["reason"].str.contains("speak_missing is off").sum() == 2
        return
    manifest = ingest(catalog)
    assert manifest["uid"].tolist() == ["dev/0001", "dev/0002"]
    assert manifest["question_audio"].tolist() == [f"data/02_intermediate/speech/dev/000{n}.wav" for n in (1, 2)]
    assert manifest["answer_audio"].tolist() == [f"data/02_intermediate/answer_speech/dev/000{n}.wav" for n in (1, 2)]
    assert (manifest["answer_speech_seconds"] > 0.5).all()
    quarantine = catalog.load("quarantine")
    assert quarantine["place"].tolist() == ["dev.jsonl, line 2", "dev.jsonl, line 4"]


def test_one_recording_under_two_texts_is_set_aside_twice(project_catalog, tmp_path):
    raw = tmp_path / "data/01_raw/soundmind"
    write_folder(raw, [record(number, number % 2) for number in range(1, 5)])
    (raw / "dev/0002/question.wav").write_bytes((raw / "dev/0001/question.wav").read_bytes())
    catalog = project_catalog("ingestion", params_ingestion=soundmind())
    assert ingest(catalog)["uid"].tolist() == ["dev/0003", "dev/0004"]
    assert catalog.load("quarantine")["reason"].str.contains("shared sound: the same samples as the question of").all()


def test_a_defect_may_be_fatal(project_catalog, tmp_path):
    raw = tmp_path / "data/01_raw/soundmind"
    write_folder(raw, [record(1), record(2, 0)])
    soundfile.write(raw / "dev/0001/question.wav", np.zeros(24_000), 24_000)
    with pytest.raises(
        SoundmindError, match=r"1 of 4 clips .*fatal_defects.*\n.*0001/question\.wav \(dev/0001\): silent"
    ):
        ingest(project_catalog("ingestion", params_ingestion=soundmind(fatal_defects=["silent"])))


def test_data_that_are_not_there_are_asked_for(project_catalog):
    with pytest.raises(SoundmindError, match=r"01_raw/soundmind does not exist") as caught:
        ingest(project_catalog("ingestion", params_ingestion=soundmind()))
    assert "ln -s" in str(caught.value)
    params = IngestionParams.model_validate({"source": "logiqa_nli"})
    with pytest.raises(SoundmindError, match=r"ingestion\.logiqa_nli\.train: .*logiqa_nli/train\.txt"):
        ingest(project_catalog("ingestion", params_ingestion=params))


LOGIQA = [
    ("entailed", "All birds of the lake can swim", "Tom is one", "Tom can swim"),
    ("not entailed", ["No boat is late", "Few are early"], "This is a boat", "It is early"),
    ("entailed", None, "This is a boat", "It is early"),
]


def logiqa(tmp_path: Path, **changes: Any) -> IngestionParams:
    file = tmp_path / "data/01_raw/logiqa_nli/dev.txt"
    file.parent.mkdir(parents=True)
    keys = ("label", "major_premise", "minor_premise", "conclusion")
    file.write_text("\n".join(json.dumps(dict(zip(keys, line, strict=True))) for line in LOGIQA))
    files = {"train": None, "dev": "logiqa_nli/dev.txt", "test": None}
    settings = {"source": "logiqa_nli", "logiqa_nli": files, "expectations": LENIENT, "max_quarantined": 0.5}
    return IngestionParams.model_validate(settings | changes)


def test_the_embedded_teacher_says_that_free_text_needs_an_endpoint(project_catalog, tmp_path):
    with pytest.raises(SoundmindError, match=r"ingestion\.teacher\.kind") as caught:
        ingest(project_catalog("ingestion", params_ingestion=logiqa(tmp_path)))
    assert "endpoint" in str(caught.value)


@pytest.fixture
def endpoint():
    """Address of a server that finds every second conclusion entailed, in OpenAI's words."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body["messages"][-1]["content"])
            verdict = "entailed" if "birds" in asked[-1] else "not entailed"
            message = {"role": "assistant", "reasoning_content": "I thought.", "content": f"Answer: {verdict}."}
            reply = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "id": "1", "model": "m"}
            reply |= {
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
                "object": "chat.completion",
            }
            data = json.dumps(reply | {"created": 0}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_logiqa_is_worded_taught_and_spoken(project_catalog, tmp_path, endpoint, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    teacher = {"kind": "endpoint", "endpoint": {"base_url": endpoint, "api_key_env": None, "model": "m"}}
    catalog = project_catalog("ingestion", params_ingestion=logiqa(tmp_path, teacher=teacher))
    manifest = ingest(catalog)
    assert manifest["uid"].tolist() == ["dev/0001", "dev/0002"]
    assert manifest["reference_verdict"].tolist() == ["entailed", "not entailed"]
    assert manifest["user_content"].str.contains("Tom can swim|It is early").all()
    assert (manifest["question_seconds"] > 5).all()
    steps = manifest["provenance"].map(json.loads)
    assert steps.str["source"].tolist() == ["logiqa_nli"] * 2
    assert steps[0]["teacher"]["model"] == "m"
    assert catalog.load("quarantine")["place"].tolist() == ["dev.txt, line 3"]


def test_the_hub_is_not_asked_for_what_somebody_put_there(tmp_path, monkeypatch, caplog):
    from soundmind_pipeline.datasets.raw_folder import RawFolder
    from soundmind_pipeline.pipelines.ingestion.collecting import collect
    from soundmind_pipeline.problems.sources import hub

    def refuse(*arguments: Any) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(hub, "fetch_soundmind", refuse)
    write_folder(tmp_path / "soundmind", [record(1)])
    params = IngestionParams.model_validate({"source": "soundmind", "soundmind": {"hub_id": "somebody/data"}})
    with caplog.at_level("INFO"):
        rows, _, _ = collect(RawFolder(tmp_path, tmp_path), params)
    assert rows["uid"].tolist() == ["dev/0001"]
    assert "the hub is not asked" in caplog.text
    (tmp_path / "soundmind" / hub.RECORD_FILE).write_text("{}")
    with pytest.raises(AssertionError, match="asked"):
        collect(RawFolder(tmp_path, tmp_path), params)

import json

import pandas as pd
import pytest

from soundmind_pipeline.audit.manifest import audit_manifest
from soundmind_pipeline.audit.page import render_page
from soundmind_pipeline.audit.run import audit_files
from soundmind_pipeline.problems.schema import SAMPLE_COLUMNS, SAMPLE_DTYPES

NONE_ASIDE = pd.DataFrame(columns=["uid", "place", "reason", "row"], dtype="str")


def sample(split: str, annotation: dict, **changes) -> dict:
    """A row of the manifest out of an annotation."""
    row = dict.fromkeys(SAMPLE_COLUMNS) | {
        "split": split,
        "id": annotation["id"],
        "uid": f"{split}/{annotation['id']}",
        "user_content": annotation["user_content"],
        "reference_answer": annotation["answer"],
        "label": annotation["label"],
        "label_conflict": False,
        "question_seconds": annotation.get("question_seconds"),
        "answer_seconds": annotation.get("answer_seconds"),
    }
    return row | changes


def manifest_of(*rows: dict) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS)).astype(SAMPLE_DTYPES)


@pytest.fixture
def annotations(make_annotation, make_prompt) -> dict[str, list[dict]]:
    tom = make_annotation(id="1", question_seconds=10.0, answer_seconds=40.0)
    ann = make_annotation(id="2", label=1, user_content=make_prompt("B"), verdict="not-entailed", question_seconds=5.0)
    odd = make_annotation(id="3", label=0, user_content="No triplet here.", answer="hm")
    return {"dev": [tom, ann, odd, tom | {"id": "4", "label": 0}], "test": [tom | {"id": "5"}, odd | {"id": "6"}]}


def test_a_manifest_gives_the_figures_of_its_files(annotations, tmp_path, write_rows):
    files = {name: write_rows(tmp_path / f"{name}.jsonl", *rows) for name, rows in annotations.items()}
    expected, _ = audit_files(files)
    # Test stands first in the manifest: its splits have an order of their own.
    manifest = manifest_of(*(sample(name, row) for name in ("test", "dev") for row in annotations[name]))
    audit, rows = audit_manifest(manifest, NONE_ASIDE)
    assert list(audit["splits"]) == ["dev", "test"]
    assert [row.line for row in rows["dev"]] == [3, 4, 5, 6]
    for document in (expected, audit):
        for split in document["splits"].values():
            del split["file"], split["sha256"]
    # A line is one of the file there, and one of the manifest here.
    shifted = json.loads(json.dumps(expected), object_hook=lambda item: item | {"line": 0} if "line" in item else item)
    found = json.loads(json.dumps(audit), object_hook=lambda item: item | {"line": 0} if "line" in item else item)
    assert found == shifted
    assert audit["splits"]["dev"]["label_conflicts"] == 2
    assert audit["cross_split"]["dev__test"]["shared_questions"] == 2


def test_sound_and_source_labels_are_told(annotations):
    dev = annotations["dev"]
    manifest = manifest_of(
        sample("dev", dev[0], question_speech_seconds=8.0, answer_speech_seconds=30.0, source_label=1),
        sample("dev", dev[1], question_speech_seconds=4.0, source_label=0),
        sample("dev", dev[2]),
    )
    audit, _ = audit_manifest(manifest, NONE_ASIDE)
    split = audit["splits"]["dev"]
    assert split["statistics"]["question_speech_seconds"]["total"] == 12.0
    assert split["statistics"]["answer_speech_seconds"]["count"] == 1
    words = len(dev[0]["answer"].split())
    assert split["statistics"]["answer_words_per_second"]["mean"] == pytest.approx(words / 40)
    assert (split["source"]["matched"], split["source"]["agree"], split["source"]["unmatched"]) == (2, 1, 1)
    assert [row["id"] for row in split["source"]["disagreeing_rows"]] == ["2"]
    assert audit["source"]["files"] == [{"file": "manifest, source_label", "rows": 2, "bad_rows": []}]
    assert audit_manifest(manifest.assign(source_label=pd.NA), NONE_ASIDE)[0]["source"] is None


def test_known_premises_need_no_prompt_that_names_them(annotations):
    parts = {"major_premise": "If p then q", "minor_premise": "p", "conclusion": "q"}
    rows = [
        sample("train", annotations["dev"][2], **parts),
        sample("test", annotations["dev"][2] | {"user_content": "Other words."}, **parts),
    ]
    audit, _ = audit_manifest(manifest_of(*rows), NONE_ASIDE)
    assert audit["cross_split"]["train__test"]["shared_major_premises"] == 1
    assert audit["cross_split"]["train__test"]["shared_questions"] == 0
    assert audit["splits"]["train"]["prompts_without_triplet"] == 0


def test_rows_in_quarantine_are_the_bad_rows(annotations):
    quarantine = pd.DataFrame(
        [
            {"uid": "dev/9", "place": "dev/9.wav", "reason": "truncated <b>", "row": "{}"},
            {"uid": "../x", "place": "a.jsonl, line 3", "reason": "odd id", "row": '{"split": "dev"}'},
            {"uid": "none", "place": "b", "reason": "no <i> split", "row": "not json"},
        ]
    )
    audit, rows = audit_manifest(manifest_of(sample("dev", annotations["dev"][0])), quarantine)
    assert audit["splits"]["dev"]["bad_rows"] == [
        {"line": 1, "reason": "dev/9 (dev/9.wav): truncated <b>"},
        {"line": 2, "reason": "../x (a.jsonl, line 3): odd id"},
    ]
    assert audit["splits"]["dev"]["lines"] == 3
    assert audit["rows_without_split"] == [{"line": 3, "reason": "none (b): no <i> split"}]
    page = render_page(audit, rows)
    assert "truncated &lt;b&gt;" in page
    assert "no &lt;i&gt; split" in page


def test_the_checksum_is_that_of_the_content(annotations):
    dev = [sample("dev", row) for row in annotations["dev"]]

    def checksum(rows):
        return audit_manifest(manifest_of(*rows), NONE_ASIDE)[0]["splits"]["dev"]["sha256"]

    assert checksum(dev) == checksum([*dev, sample("test", annotations["test"][0])])
    assert checksum(dev) != checksum([dev[0] | {"label": 0}, *dev[1:]])

"""The published dev annotations: every figure that is known of them."""

import json
import os
from pathlib import Path

import pytest

from soundmind_pipeline.audit.run import audit_files

DEFAULT = Path(__file__).parents[3] / "shared" / "data" / "soundmind"
ANNOTATIONS = Path(os.environ.get("SOUNDMIND_DATA", DEFAULT)) / "dev.jsonl"


@pytest.fixture(scope="module")
def dev():
    if not ANNOTATIONS.is_file():
        pytest.skip(f"the published dev annotations are not at {ANNOTATIONS}; set SOUNDMIND_DATA to their folder")
    return audit_files({"dev": ANNOTATIONS})[0]["splits"]["dev"]


def test_counts(dev):
    assert {
        key: dev[key] for key in ("rows", "entailed", "not_entailed", "label_conflicts", "duplicate_questions")
    } == {
        "rows": 606,
        "entailed": 264,
        "not_entailed": 342,
        "label_conflicts": 33,
        "duplicate_questions": 2,
    }
    assert (dev["bad_rows"], dev["no_verdict"], dev["prompts_without_triplet"]) == ([], 0, 0)


def test_the_hyphen_gives_the_label_away(dev):
    assert dev["label_conflict_spellings"] == {"not-entailed": 33}
    assert dev["spelling_leaks"] == ["not entailed", "not-entailed"] and dev["template_leaks"] == []
    (hyphen,) = [entry for entry in dev["spellings"] if entry["wording"] == "not-entailed"]
    assert (hyphen["entailed"], hyphen["not_entailed"]) == (33, 0)


def test_lengths_are_near_the_papers(dev):
    words = dev["statistics"]["question_words"]
    assert words["mean"] == pytest.approx(dev["paper"]["question_tokens"], rel=0.02)
    assert dev["statistics"]["question_seconds"] is None


def test_rows_moved_to_another_split_are_found_there(tmp_path, dev):
    lines = ANNOTATIONS.read_text(encoding="utf-8").splitlines()
    other = [json.loads(line) for line in lines[:40]]
    for row in other[:10]:
        row["user_content"] = "  " + row["user_content"].upper().replace(" ", "\n ")
    for row in other[10:20]:  # one word of the premises' own
        row["user_content"] = row["user_content"].replace('\nConclusion is "', '\nConclusion is "surely ', 1)
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in other))
    audit, _ = audit_files({"dev": ANNOTATIONS, "test": path})
    pair = audit["cross_split"]["dev__test"]
    assert pair["shared_questions"] == 30
    assert pair["near_questions"]["test"] == 10
    assert pair["rows_with_shared_major_premises"]["test"] == 40

import json

import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.sources.logiqa import read_logiqa_nli

PASSAGE = "Every lamp on the quay was lit by the keeper before the last ferry had left the harbour that night"


def line(**changes) -> str:
    row = {"label": "entailed", "major_premise": PASSAGE, "minor_premise": "Which follows?", "conclusion": "It was lit"}
    return json.dumps(row | changes)


@pytest.fixture
def files(tmp_path):
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    lines = [
        line(),
        line(label=0, major_premise=[], conclusion="Nothing"),
        "{",
        line(conclusion=None),
        line(label="perhaps"),
        line(major_premise=[PASSAGE, None]),
        "",
        line(major_premise=["First it rained", "Then it snowed."], minor_premise=["So", "which"], label="not entailed"),
    ]
    train.write_text("\n".join(lines))
    test.write_text(line(conclusion="The ferry left", label=1))
    return {"train": train, "test": test}


def test_triplets_and_labels_become_rows_to_be_filled(files):
    rows, _ = read_logiqa_nli(files)
    assert rows["uid"].tolist() == ["train/0001", "train/0002", "train/0008", "test/0001"]
    assert rows["label"].tolist() == rows["source_label"].tolist() == [1, 0, 0, 1]
    assert rows["major_premise"].isna().tolist() == [False, True, False, False]
    assert rows["major_premise"][2] == "First it rained. Then it snowed."
    assert rows["minor_premise"][2] == "So. which"
    empty = ["user_content", "reference_reasoning", "reference_answer", "reference_verdict", "family", "difficulty"]
    assert rows[empty].isna().all(axis=None)
    assert not rows["label_conflict"].any()
    assert json.loads(rows["provenance"][2]) == {"source": "logiqa_nli", "file": "train.txt", "line": 8}


def test_rows_about_one_passage_are_one_leak_group_across_splits(files):
    groups = read_logiqa_nli(files)[0]["leak_group"]
    assert groups[0] == groups[3]
    assert groups.nunique() == 3


def test_bad_lines_are_set_aside_with_their_place(files):
    _, rejected = read_logiqa_nli(files)
    assert rejected["place"].tolist() == [f"train.txt, line {number}" for number in (3, 4, 5, 6)]
    assert rejected["uid"].tolist() == [f"train/line {number}" for number in (3, 4, 5, 6)]
    for reason, key in zip(rejected["reason"], ["not JSON", "conclusion", "label", "major_premise"], strict=True):
        assert key in reason
    assert json.loads(rejected["row"][1])["conclusion"] is None
    assert isinstance(rejected, pd.DataFrame) and not rejected.isna().any(axis=None)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SoundmindError, match=r"lost\.jsonl: no such file"):
        read_logiqa_nli({"train": tmp_path / "lost.jsonl"})

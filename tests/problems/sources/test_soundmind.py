"""Every layout that is read, and every damage that is set aside."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.schema import TEXT_COLUMNS, TEXT_DTYPES, validate_row
from soundmind_pipeline.problems.sources.rows import EXTENSION_KEY, REJECTED_COLUMNS
from soundmind_pipeline.problems.sources.soundmind import read_soundmind

DEFAULT = Path(__file__).parents[4] / "shared" / "data" / "soundmind"
PUBLISHED = Path(os.environ.get("SOUNDMIND_DATA", DEFAULT))


def rejected_reasons(root: Path) -> dict[str, str]:
    """The reason of each rejected uid; every other row of the three is read."""
    rows, rejected, _ = read_soundmind(root)
    assert tuple(rejected.columns) == REJECTED_COLUMNS
    assert not rejected.isna().any(axis=None)
    for record in rejected["row"]:
        json.loads(record)
    for row in rows.to_dict("records"):
        assert validate_row(row) == []
    return dict(zip(rejected["uid"], rejected["reason"], strict=True))


def test_folders_with_everything(dataset):
    rows, rejected, clips = read_soundmind(dataset.write_all().root)
    assert rejected.empty
    assert rows.dtypes.astype(str).to_dict() == {
        name: str(pd.Series(dtype=dtype).dtype) for name, dtype in TEXT_DTYPES.items()
    }
    assert rows["uid"].tolist() == ["dev/0001", "dev/0002", "dev/0003"]
    first = rows.iloc[0]
    assert first["major_premise"].startswith("Every sailor") and first["conclusion"] == "Claim 0001 follows"
    assert first["reference_reasoning"] == "So it is, 0001."
    assert first["reference_answer"] == "<think> So it is, 0001. </think> Answer: entailed."
    assert json.loads(first["provenance"]) == {
        "source": "soundmind",
        "file": "dev/0001/annotation.json",
        "line": 1,
        "teacher": "published",
        "colloquialization": "published",
    }
    assert rows["reference_verdict"].tolist() == ["entailed", "not entailed", "not entailed"]
    assert rows["label_conflict"].tolist() == [False, False, True]
    assert rows[["family", "form", "claim_kind", "difficulty", "problem", "source_label"]].isna().all(axis=None)
    assert rows["leak_group"].nunique() == 3
    assert clips["dev/0002"].question == dataset.folder("0002") / "question.wav"
    assert clips["dev/0002"].answer == dataset.folder("0002") / "answer_0.wav"
    assert set(clips) == set(rows["uid"])


@pytest.mark.parametrize(
    ("parts", "file", "sound"),
    [
        (["write_jsonl"], "dev.jsonl", False),
        (["write_jsonl", "write_sounds"], "dev.jsonl", True),
        (["write_metadata"], "dev/metadata.jsonl", False),
        (["write_metadata", "write_sounds"], "dev/metadata.jsonl", True),
        (["write_annotations"], "dev/0002/annotation.json", False),
        (["write_annotations", "write_sounds"], "dev/0002/annotation.json", True),
        (["write_all", "write_jsonl"], "dev/0002/annotation.json", True),
    ],
)
def test_every_layout_gives_the_same_rows(dataset, tmp_path, parts, file, sound):
    for part in parts:
        getattr(dataset, part)()
    rows, rejected, clips = read_soundmind(dataset.root)
    assert rejected.empty
    assert rows["uid"].tolist() == ["dev/0001", "dev/0002", "dev/0003"]
    assert json.loads(rows["provenance"][1])["file"] == file
    assert json.loads(rows["provenance"][1])["line"] == (2 if file.endswith("jsonl") else 1)
    assert len(clips) == (3 if sound else 0)
    dataset.root = tmp_path / "whole"
    whole, _, _ = read_soundmind(dataset.write_all().root)
    pd.testing.assert_frame_equal(rows.drop(columns="provenance"), whole.drop(columns="provenance"))


def test_splits_are_read_in_order_and_absent_ones_left_out(dataset, make_annotation):
    dataset.write_jsonl()
    dataset.write_lines(dataset.root / "train.jsonl", make_annotation("0001"))
    rows, _, _ = read_soundmind(dataset.root)
    assert rows["uid"].tolist() == ["train/0001", "dev/0001", "dev/0002", "dev/0003"]
    # The same question in two splits.
    assert rows["leak_group"][0] == rows["leak_group"][1] != rows["leak_group"][2]
    rows, _, _ = read_soundmind(dataset.root, splits=["train"])
    assert rows["uid"].tolist() == ["train/0001"]
    with pytest.raises(SoundmindError, match="holds none of the splits test"):
        read_soundmind(dataset.root, splits=["test"])
    with pytest.raises(SoundmindError, match=r"metadata\.jsonl"):
        read_soundmind(dataset.root / "elsewhere")


def test_other_containers_are_found(dataset):
    dataset.write_jsonl().write_sounds()
    folder = dataset.folder("0001")
    (folder / "question.wav").rename(folder / "question.FLAC")
    (folder / "answer_1.wav").unlink()
    (folder / "notes.txt").write_text("heard twice")
    _, rejected, clips = read_soundmind(dataset.root)
    assert rejected.empty
    assert clips["dev/0001"].question == folder / "question.FLAC"
    assert clips["dev/0001"].answer is None


@pytest.mark.parametrize(
    ("line", "uid", "reason"),
    [
        ('{"id": "0009", ', "dev/line 4", "not JSON"),
        ("[1, 2]", "dev/line 4", "not a JSON object"),
        ('{"id": "0009", "id": "0010"}', "dev/line 4", '"id": stands there twice'),
        ({"label": None}, "dev/0009", 'key "label": must be 0 (not entailed) or 1 (entailed), is null'),
        ({"label": 2}, "dev/0009", 'key "label"'),
        ({"label": "maybe"}, "dev/0009", 'key "label"'),
        ({"user_content": None}, "dev/0009", 'key "user_content": must be a text, is null'),
        ({"user_content": " "}, "dev/0009", 'key "user_content": blank'),
        ({"answer": ["a"]}, "dev/0009", 'key "answer"'),
        ({"answer": "\ud800 Answer: entailed."}, "dev/0009", "surrogate"),
        ({"id": None}, "dev/line 4", 'key "id": must be a text'),
        ({"id": {"a": 1}}, "dev/line 4", 'key "id"'),
        ({"id": "../0009"}, "dev/../0009", "letters, digits"),
        ({"id": "/etc/passwd"}, "dev//etc/passwd", "letters, digits"),
        ({"id": "a\\b"}, "dev/a\\b", "letters, digits"),
        ({"id": "0009\x00"}, "dev/0009\x00", "letters, digits"),
        ({"id": "\udc80"}, "dev/\\udc80", "surrogate"),
        ({"id": "0002"}, "dev/0002", 'id: "0002" stands in dev.jsonl, line 2 already'),
        ({"id": "0002", "label": 7}, "dev/0002", 'key "label"'),
        ({EXTENSION_KEY: 3}, "dev/0009", "must be an object"),
        ({EXTENSION_KEY: {"colour": 1}}, "dev/0009", 'unknown column "colour"'),
        ({EXTENSION_KEY: {"label": 1}}, "dev/0009", "gives the label 1, the record itself 0"),
        ({EXTENSION_KEY: {"form": "\ud800"}}, "dev/0009", "surrogate"),
        ({EXTENSION_KEY: {"form": "MP"}}, "dev/0009", "family: null, while form is given"),
        ({EXTENSION_KEY: {"label_conflict": True}}, "dev/0009", "label_conflict: says True"),
        ({EXTENSION_KEY: {"reference_answer": None}}, "dev/0009", "reference_answer: null"),
        ({EXTENSION_KEY: {"provenance": {}}}, "dev/0009", "provenance: {} is not a text"),
    ],
)
def test_a_damaged_line_is_set_aside_with_its_place(dataset, make_annotation, line, uid, reason):
    if isinstance(line, dict):
        line = {**make_annotation("0003", 0), "id": "0009", **line}
    dataset.write_jsonl(line)
    rows, rejected, _ = read_soundmind(dataset.root)
    assert rows["uid"].tolist() == ["dev/0001", "dev/0002", "dev/0003"]
    [found] = rejected.to_dict("records")
    assert (found["uid"], found["place"]) == (uid, "dev.jsonl, line 4")
    assert reason in found["reason"]
    assert json.loads(found["row"]) == (line if isinstance(line, dict) else None)


def break_annotation(data):
    data.write_annotation("0001", "{")


def empty_annotation(data):
    data.write_annotation("0001", " \n")


def null_annotation(data):
    data.write_annotation("0001", data.records[0] | {"answer": None})


def other_id(data):
    data.write_annotation("0001", data.records[0] | {"id": "0002"})


def other_text(data):
    data.write_annotation("0001", data.records[0] | {"user_content": "something else"})


def other_label(data):
    data.write_annotation("0001", data.records[0] | {"label": 0})


def contradicting_sound(data):
    (data.folder("0001") / "answer_1.wav").rename(data.folder("0001") / "answer_0.wav")


def unknown_sound(data):
    (data.folder("0001") / "answer_1.wav").rename(data.folder("0001") / "answer_2.wav")


def both_sounds(data):
    (data.folder("0001") / "answer_0.wav").write_bytes(b"RIFF")


def two_questions(data):
    (data.folder("0001") / "question.mp3").write_bytes(b"ID3")


def two_answers(data):
    (data.folder("0001") / "answer_1.ogg").write_bytes(b"Ogg")


def no_folder(data):
    data.folder("0001").rename(data.root / "lost")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (break_annotation, "dev/0001/annotation.json: not JSON (Expecting property name"),
        (empty_annotation, "dev/0001/annotation.json: empty"),
        (null_annotation, 'dev/0001/annotation.json: key "answer": must be a text, is null'),
        (other_id, "the id is not that of dev/metadata.jsonl"),
        (other_text, "the user_content is not that of dev/metadata.jsonl"),
        (other_label, "the label is not that of dev/metadata.jsonl"),
        (contradicting_sound, "answer_0.wav: contradicts the label 1"),
        (unknown_sound, "answer_2.wav: contradicts the label 1"),
        (both_sounds, "answer_0.wav: contradicts the label 1"),
        (two_questions, "question.mp3 and question.wav: one sound file too many"),
        (two_answers, "answer_1.ogg and answer_1.wav: one sound file too many"),
        (no_folder, 'there is no folder "0001" for it'),
    ],
)
def test_a_damaged_folder_is_set_aside(dataset, damage, reason):
    damage(dataset.write_all())
    [(uid, found)] = rejected_reasons(dataset.root).items()
    assert uid == "dev/0001"
    assert reason in found and ";" not in found
    rows, _, clips = read_soundmind(dataset.root)
    assert rows["uid"].tolist() == ["dev/0002", "dev/0003"] == list(clips)


@pytest.mark.parametrize(
    ("key", "name", "reason"),
    [
        ("question_file_name", "../../secret.wav", "is not in the sample's folder 0003"),
        ("question_file_name", "0001/question.wav", "is not in the sample's folder 0003"),
        ("question_file_name", "/0003/question.wav", "is not in the sample's folder 0003"),
        ("question_file_name", "0003\\question.wav", "is not in the sample's folder 0003"),
        ("question_file_name", "0003/prompt.wav", "is not a sound file called question"),
        ("question_file_name", "0003/question.exe", "is not a sound file called question"),
        ("question_file_name", 7, "must be a text"),
        ("answer_file_name", "0003/answer_0.wav", "is not a sound file called answer_1"),
    ],
)
def test_a_wrong_file_name_in_metadata_is_set_aside(dataset, make_metadata, key, name, reason):
    dataset.write_all()
    lines = [make_metadata(record) for record in dataset.records]
    lines[2][key] = name
    dataset.write_lines(dataset.split / "metadata.jsonl", *lines)
    [(uid, found)] = rejected_reasons(dataset.root).items()
    assert uid == "dev/0003" and found.startswith((key, f'key "{key}"')) and reason in found


def test_names_may_be_missing_or_hold_the_split(dataset, make_metadata):
    dataset.write_all()
    lines = [make_metadata(record) for record in dataset.records]
    lines[0]["question_file_name"] = None
    del lines[1]["answer_file_name"]
    lines[2]["question_file_name"] = "dev/0003/question.wav"
    dataset.write_lines(dataset.split / "metadata.jsonl", *lines)
    assert rejected_reasons(dataset.root) == {}


def test_a_folder_without_a_row_is_set_aside(dataset, make_annotation):
    dataset.write_all()
    dataset.write_annotation("0009", make_annotation("0003") | {"id": "0009"})
    (dataset.split / ".cache").mkdir()
    assert rejected_reasons(dataset.root) == {"dev/0009": "no row of dev/metadata.jsonl has this id"}


def test_a_folder_whose_row_is_bad_is_named_once(dataset, make_metadata):
    dataset.write_all()
    lines = [make_metadata(record) for record in dataset.records]
    lines[1]["label"] = "?"
    dataset.write_lines(dataset.split / "metadata.jsonl", *lines)
    [(uid, reason)] = rejected_reasons(dataset.root).items()
    assert uid == "dev/0002" and 'key "label"' in reason


def test_folders_alone(dataset, make_annotation):
    dataset.write_annotations()
    (dataset.split / "0004").mkdir()
    dataset.write_annotation("0005", make_annotation("0003") | {"id": "0006"})
    dataset.write_annotation("0007", "nothing")
    assert rejected_reasons(dataset.root) == {
        "dev/0004": "no annotation.json",
        "dev/0006": 'id: "0006" stands in the folder 0005',
        "dev/line 1": "not JSON (Expecting value, column 1)",
    }


def test_blanks_alone_are_no_disagreement(dataset):
    dataset.write_all()
    text = dataset.records[0]["user_content"].replace("\n", "\r\n") + " "
    dataset.write_annotation("0001", dataset.records[0] | {"user_content": text})
    assert rejected_reasons(dataset.root) == {}


def test_an_answer_without_a_verdict_stands_as_it_is(dataset):
    dataset.records[0]["answer"] = "I cannot say. Answer: perhaps."
    dataset.records[1]["answer"] = "Answer: entailed."
    dataset.write_jsonl()
    rows, rejected, _ = read_soundmind(dataset.root)
    assert rejected.empty
    assert rows["reference_verdict"].isna().tolist() == [True, True, False]
    assert rows["reference_answer"][0] == dataset.records[0]["answer"]
    assert rows["reference_reasoning"].isna().tolist() == [False, True, False]
    assert rows["reference_reasoning"][0] == "I cannot say."
    assert not rows["label_conflict"][:2].any()


def test_only_the_last_marker_counts(dataset):
    dataset.records[0]["answer"] = "Not so fast.\nAnswer: not entailed?\nNo: it is.\n**Answer: entailed**"
    rows, _, _ = read_soundmind(dataset.write_jsonl().root)
    assert rows["reference_reasoning"][0] == "Not so fast.\nAnswer: not entailed?\nNo: it is.\n**"
    assert rows["reference_verdict"][0] == "entailed"


def test_exported_columns_come_back(dataset):
    extra = {
        "leak_group": "mine",
        "family": "if_then",
        "form": "MP",
        "claim_kind": "natural",
        "difficulty": 3,
        "problem": "{}",
        "source_label": 0,
        "major_premise": None,
        "reference_reasoning": "So it is",
        "reference_answer": "<think> So it is </think> Answer: entailed.",
        "reference_verdict": "entailed",
        "label_conflict": False,
        "provenance": '{"source": "verified", "seed": 1}',
    }
    dataset.write_all()
    dataset.write_annotation("0001", dataset.records[0] | {EXTENSION_KEY: extra})
    rows, rejected, _ = read_soundmind(dataset.root)
    assert rejected.empty
    row = rows.iloc[0]
    assert {name: None if pd.isna(row[name]) else row[name] for name in extra} == extra
    assert rows["leak_group"].nunique() == 3


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["id", "user_content", "answer", "label", EXTENSION_KEY]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text()
            | st.dictionaries(st.sampled_from(TEXT_COLUMNS) | st.text(), st.none() | st.text() | st.integers()),
            max_size=3,
        ),
        max_size=6,
    )
)
@settings(max_examples=60)
def test_every_record_is_a_sound_row_or_set_aside(tmp_path_factory, changes):
    root = tmp_path_factory.mktemp("soundmind")
    good = {"user_content": "Does it follow?", "answer": "Yes.\nAnswer: entailed.", "label": 1}
    lines = [good | {"id": f"{number:04d}"} | change for number, change in enumerate(changes)]
    (root / "dev.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows, rejected, _ = read_soundmind(root)
    assert len(rows) + len(rejected) == len(changes)
    assert rows["uid"].is_unique
    for row in rows.to_dict("records"):
        assert validate_row(row) == []
    rejected.to_parquet(root / "rejected.parquet")
    rows.to_parquet(root / "rows.parquet")
    assert rejected["reason"].str.len().gt(0).all()


def test_the_published_dev_split():
    if not (PUBLISHED / "dev.jsonl").is_file():
        pytest.skip(f"the published dev annotations are not in {PUBLISHED}; set SOUNDMIND_DATA to their folder")
    rows, rejected, clips = read_soundmind(PUBLISHED, splits=["dev"])
    assert (len(rows), len(rejected), clips) == (606, 0, {})
    assert rows["label"].sum() == 264
    assert rows["label_conflict"].sum() == 33
    assert rows[["reference_verdict", "major_premise", "conclusion"]].notna().all(axis=None)
    # Two questions stand twice; passages with several conclusions are one group.
    assert 500 < rows["leak_group"].nunique() < 600
    assert all(validate_row(row) == [] for row in rows.to_dict("records"))


def test_sound_files_that_metadata_name_and_nobody_copied_are_told(dataset, caplog):
    dataset.write_metadata().write_sounds()
    read_soundmind(dataset.root)
    assert "not there" not in caplog.text
    (dataset.folder("0002") / "question.wav").unlink()
    rows, rejected, clips = read_soundmind(dataset.root)
    assert len(rows) == 3 and rejected.empty
    assert clips["dev/0002"].question is None
    assert "1 sound files that metadata name are not there, first dev/0002/question.wav" in caplog.text

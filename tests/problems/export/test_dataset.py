import json
import os
import subprocess

import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.export import dataset
from soundmind_pipeline.problems.export.dataset import export_dataset
from soundmind_pipeline.problems.schema import TEXT_COLUMNS
from soundmind_pipeline.problems.sources.soundmind import read_soundmind


@pytest.mark.parametrize("layout", ["folder", "jsonl"])
def test_what_is_read_back_is_what_was_exported(manifest, project, tmp_path, layout):
    export_dataset(manifest, project, tmp_path / "out", layout)
    rows, rejected, clips = read_soundmind(tmp_path / "out")
    assert rejected.empty, rejected.to_dict("records")
    expected = manifest.set_index("uid", drop=False).loc[rows["uid"], list(TEXT_COLUMNS)].reset_index(drop=True)
    assert len(rows) == len(manifest) == 11
    pd.testing.assert_frame_equal(rows, expected)
    if layout == "folder":
        for row in manifest.to_dict("records"):
            assert clips[row["uid"]].question.read_bytes() == (project / row["question_audio"]).read_bytes()
            assert (clips[row["uid"]].answer is not None) == isinstance(row["answer_audio"], str)
    else:
        assert not clips


def test_the_published_layout(manifest, project, tmp_path):
    out = tmp_path / "out"
    assert export_dataset(manifest, project, out) == 11 + 6
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "SHA256SUMS", "dev", "test", "train"]
    names = sorted(path.name for path in (out / "dev" / "9001").iterdir())
    assert names == ["annotation.json", "answer_1.flac", "question.wav"]
    annotation = json.loads((out / "dev" / "9001" / "annotation.json").read_text())
    assert list(annotation) == ["id", "user_content", "answer", "label", "soundmind_pipeline"]
    assert annotation["answer"] == "Hm.\nAnswer: no, it is\n\n\n\nAnswer: not entailed."
    extension = annotation["soundmind_pipeline"]
    assert extension["label_conflict"] is True and extension["leak_group"] == "the same premise"
    assert not {"reference_reasoning", "reference_answer", "id", "label"} & extension.keys()
    lines = [json.loads(line) for line in (out / "dev" / "metadata.jsonl").read_text().splitlines()]
    assert list(lines[2]) == [
        *("id", "question_file_name", "answer_file_name"),
        *("annotation_question", "annotation_answer", "label"),
    ]
    assert [line["question_file_name"] for line in lines][2:] == ["9001/question.wav", "9002/question.wav"]
    assert [line["answer_file_name"] for line in lines][2:] == ["9001/answer_1.flac", None]


def test_the_text_of_a_reference_without_verdict_stays(manifest, project, tmp_path):
    export_dataset(manifest, project, tmp_path / "out", "jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out" / "dev.jsonl").read_text().splitlines()]
    assert lines[3]["answer"] == "It is not clear to me. Sorry!"


def test_the_checksums_are_those_of_every_file(manifest, project, tmp_path):
    out = tmp_path / "out"
    export_dataset(manifest, project, out)
    checked = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=out, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {line.split(": ")[0] for line in checked.stdout.splitlines()} == files - {"SHA256SUMS"}


@pytest.mark.parametrize("link", [True, False])
def test_clips_are_linked_or_copied(manifest, project, tmp_path, link):
    export_dataset(manifest, project, tmp_path / "out", link=link)
    target = tmp_path / "out" / "train" / "0001" / "question.wav"
    assert target.samefile(project / manifest["question_audio"][0]) == link


def test_links_that_the_file_system_refuses(manifest, project, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(SoundmindError, match="cross-device") as error:
        export_dataset(manifest, project, tmp_path / "out")
    assert "--copy" in error.value.hint and not list(tmp_path.iterdir())


def test_a_clip_that_has_changed_or_is_gone(manifest, project, tmp_path):
    changed = manifest.copy()
    changed.loc[3, "question_sha256"] = "0" * 64
    with pytest.raises(SoundmindError, match=r"0004\.wav: is not the file that was ingested"):
        export_dataset(changed, project, tmp_path / "out")
    changed.loc[3, "question_audio"] = "data/speech/none.wav"
    with pytest.raises(SoundmindError, match=r"train/0004: its question_audio is not there"):
        export_dataset(changed, project, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_nothing_stands_there_when_it_breaks_off(manifest, project, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "write_card", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_dataset(manifest, project, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_stands_there_is_not_overwritten(manifest, project, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    export_dataset(manifest.head(2), project, out)  # an empty folder is free
    with pytest.raises(SoundmindError, match="is not empty"):
        export_dataset(manifest, project, out)
    export_dataset(manifest, project, out, force=True)
    assert (out / "dev").is_dir()

    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("years of work")
    with pytest.raises(SoundmindError, match="no export of this command"):
        export_dataset(manifest, project, tmp_path / "thesis", force=True)
    with pytest.raises(SoundmindError, match="is no folder"):
        export_dataset(manifest, project, tmp_path / "thesis" / "chapter", force=True)
    assert (tmp_path / "thesis" / "chapter").read_text() == "years of work"


def test_an_export_of_an_export_may_replace_it(manifest, project, tmp_path):
    out = tmp_path / "out"
    export_dataset(manifest, project, out)
    again = manifest.copy()
    again["question_audio"] = [f"out/{uid}/question.wav" for uid in again["uid"]]
    again[["answer_audio", "answer_sha256"]] = None
    export_dataset(again, tmp_path, out, force=True)
    assert (out / "train" / "0001" / "question.wav").is_file()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: rows.drop(columns="leak_group"), "columns missing: leak_group"),
        (lambda rows: rows.head(0), "no rows"),
        (lambda rows: pd.concat([rows, rows.head(1)]), "twice"),
        (lambda rows: rows.assign(id="../0001"), "cannot name a folder"),
        (lambda rows: rows.assign(split="../dev"), "cannot name a folder"),
        (lambda rows: rows.assign(reference_answer=None), "no reference answer"),
    ],
    ids=["column", "empty", "twice", "id", "split", "reference"],
)
def test_a_manifest_that_cannot_be_exported(manifest, project, tmp_path, change, reason):
    with pytest.raises(SoundmindError, match=reason):
        export_dataset(change(manifest), project, tmp_path / "out")
    assert not list(tmp_path.iterdir())

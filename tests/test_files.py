import hashlib
import tempfile
from pathlib import Path

import pytest

from soundmind_pipeline.files import atomic_directory, atomic_path, move_directory, replace_directory, sha256_of


def test_atomic_path_keeps_the_old_file_when_writing_fails(tmp_path):
    target = tmp_path / "table.parquet"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def test_atomic_path_creates_parents_and_keeps_the_suffix(tmp_path):
    with atomic_path(tmp_path / "a" / "b.wav") as temporary:
        assert temporary.suffix == ".wav"
        temporary.write_bytes(b"x")
    assert (tmp_path / "a" / "b.wav").read_bytes() == b"x"


def test_atomic_directory_replaces_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model"
    with atomic_directory(target) as temporary:
        (temporary / "one").write_text("1")
    with pytest.raises(RuntimeError), atomic_directory(target) as temporary:
        (temporary / "two").write_text("2")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["one"]
    with atomic_directory(target) as temporary:
        (temporary / "two").write_text("2")
    assert [path.name for path in target.iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_replace_directory_moves(tmp_path):
    source, target = tmp_path / "new", tmp_path / "old"
    for folder, text in ((source, "new"), (target, "old")):
        folder.mkdir()
        (folder / "file").write_text(text)
    replace_directory(source, target)
    assert (target / "file").read_text() == "new"
    assert not source.exists()


def test_move_directory_replaces_the_target_on_the_same_disk_and_on_another(tmp_path):
    sources = [tmp_path / "near"]
    other = Path("/dev/shm")
    if other.is_dir() and other.stat().st_dev != tmp_path.stat().st_dev:
        sources.append(Path(tempfile.mkdtemp(dir=other)) / "far")
    for source in sources:
        source.mkdir()
        (source / source.name).write_text("x")
        move_directory(source, tmp_path / "deep" / "target")
        assert [path.name for path in (tmp_path / "deep" / "target").iterdir()] == [source.name]
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["target"]
        assert not source.exists()
    for source in sources[1:]:
        source.parent.rmdir()


def test_sha256_of(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert sha256_of(path) == hashlib.sha256(b"abc").hexdigest()

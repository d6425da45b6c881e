import os
import subprocess
import sys

import pytest
import yaml

from soundmind_pipeline.lineage import hashes as module
from soundmind_pipeline.lineage.hashes import Hashes


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.json", "a.bin", "deep/c", "deep.txt"):
        (folder / name).write_bytes(name.encode() * 9000)
    (tmp_path / "table.parquet").write_bytes(b"rows")
    return tmp_path


def hashes_of(project):
    return Hashes(project, project / "cache" / ".hashes.json")


def test_small_ones_are_those_of_dvc_lock(project):
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=project, check=True)
    subprocess.run([*dvc, "add", "-q", "table.parquet", "model"], cwd=project, check=True)
    for name in ("table.parquet", "model"):
        written = yaml.safe_load((project / f"{name}.dvc").read_text())["outs"][0]["md5"]
        assert hashes_of(project).of(name) == written


def test_nothing_has_no_hash_and_an_empty_folder_has_one(project):
    (project / "empty").mkdir()
    assert hashes_of(project).of("no such file") is None
    assert hashes_of(project).of("empty").endswith(".dir")


@pytest.mark.parametrize("limit", [1 << 20, 3], ids=["whole", "sampled"])
@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "deep/c").write_bytes(b"deep/C" * 9000),
        lambda folder: (folder / "deep/c").rename(folder / "deep/d"),
        lambda folder: (folder / "new").write_bytes(b""),
        lambda folder: (folder / "a.bin").unlink(),
    ],
    ids=["content", "name", "more", "fewer"],
)
def test_a_folder_that_changed_has_another(project, monkeypatch, limit, change):
    monkeypatch.setattr(module, "MAX_BYTES", limit)
    hashes = hashes_of(project)
    before = hashes.of("model")
    assert before.startswith("sampled:") == (limit == 3)
    change(project / "model")
    assert hashes.of("model") != before


@pytest.mark.parametrize("limit", [1 << 20, 3])
def test_time_alone_changes_nothing(project, monkeypatch, limit):
    # DVC links and copies artifacts into place: their times are those of the checkout.
    monkeypatch.setattr(module, "MAX_BYTES", limit)
    before = hashes_of(project).of("model")
    os.utime(project / "model" / "a.bin", (1, 1))
    assert hashes_of(project).of("model") == before


def test_what_has_not_changed_is_not_read_again(project, monkeypatch):
    first = hashes_of(project)
    expected = {name: first.of(name) for name in ("model", "table.parquet")}
    first.keep()
    monkeypatch.setattr(module, "_whole", lambda *_: pytest.fail("read again"))
    second = hashes_of(project)
    assert {name: second.of(name) for name in expected} == expected


def test_a_damaged_cache_costs_time_only(project):
    first = hashes_of(project)
    expected = first.of("model")
    first.keep()
    (project / "cache" / ".hashes.json").write_text('{"model": ')
    assert hashes_of(project).of("model") == expected


def test_links_to_folders_are_followed(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "clip").write_text("1")
    (project / "model" / "linked").symlink_to(elsewhere)
    before = hashes_of(project).of("model")
    (elsewhere / "clip").write_text("2!")
    assert hashes_of(project).of("model") != before

import subprocess
import sys

import pytest
import yaml

from soundmind_pipeline.runs import dvc_hashes as module
from soundmind_pipeline.runs.dvc_hashes import dvc_hashes, dvc_md5


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "table.parquet").write_bytes(b"rows")
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.json", "a.bin", "deep/c", "deep.txt"):
        (folder / name).write_bytes(name.encode())
    return tmp_path


def test_they_are_the_hashes_that_dvc_writes(inputs):
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=inputs, check=True)
    subprocess.run([*dvc, "add", "-q", "table.parquet", "model"], cwd=inputs, check=True)
    for name in ("table.parquet", "model"):
        written = yaml.safe_load((inputs / f"{name}.dvc").read_text())["outs"][0]["md5"]
        assert dvc_md5(inputs / name) == written


def test_what_is_missing_has_no_hash(inputs):
    (inputs / "empty").mkdir()
    assert set(dvc_hashes(inputs, ["table.parquet", "no such file", "empty"])) == {"table.parquet"}


def test_a_large_input_is_taken_from_the_lock_while_it_agrees(inputs, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 3)
    entry = {"path": "table.parquet", "md5": "f" * 32, "size": 4}
    (inputs / "dvc.lock").write_text(yaml.safe_dump({"stages": {"features": {"outs": [entry]}}}))
    assert dvc_hashes(inputs, ["table.parquet", "model"]) == {"table.parquet": "f" * 32}
    (inputs / "table.parquet").write_bytes(b"more rows")
    assert dvc_hashes(inputs, ["table.parquet"]) == {}

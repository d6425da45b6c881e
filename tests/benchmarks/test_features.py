import contextlib
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("features")


def test_clips_are_a_minute_of_speech_and_no_two_alike(bench, tmp_path):
    first, second = (soundfile.read(file) for file in bench.write_clips(tmp_path, 2))
    assert first[1] == second[1] == 24_000
    assert len(first[0]) == len(second[0]) == 60 * 24_000
    assert not np.allclose(first[0], second[0], atol=0.01)
    seconds = np.square(first[0]).reshape(60, -1).mean(axis=1)
    assert (seconds > 1e-4).sum() > 50, "somebody speaks nearly all the time"


def test_the_last_line_is_json_and_both_sides_agree(bench, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["features", "--clips=1", "--pairs=2", "--repeats=0", f"--folder={tmp_path}"])
    bench.main()
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["benchmark"] == "features"
    assert report["largest_difference"] <= report["targets"]["difference"]
    assert report["ratio_to_peer"] > 0
    assert list(tmp_path.iterdir()) == []


def test_two_workers_are_measured_against_one(bench, tmp_path, monkeypatch):
    built = []

    def build(pool, folder, planned):
        built.append((pool, len(planned)))
        return (3.0, 3.0) if pool == "pool of 1" else (1.5, 3.1)

    monkeypatch.setattr(bench, "worker_pool", lambda workers: contextlib.nullcontext(f"pool of {workers}"))
    monkeypatch.setattr(bench, "build", build)
    (file := tmp_path / "0000.wav").write_bytes(b"x")
    report = bench.scale(tmp_path, [file], shards=4, repeats=3)
    assert report["two_workers_to_one"] == 2.0
    assert report["cpu_seconds_one_and_two_workers"] == [3.0, 3.1]
    assert report["stored_real_time_one_and_two_workers"] == [800, 1600]
    assert {count for _, count in built} == {4}
    assert [pool[-1] for pool, _ in built] == list("12" + "21" + "12" + "21"), "each warmed up, then in turns"

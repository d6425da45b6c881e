"""Markers of runs: whose process lives, and who takes over what a killed one left."""

import subprocess
import sys

import pytest

from soundmind_pipeline.runs.open_runs import OpenRuns

FEEDS = """
import sys, time
from pathlib import Path
from soundmind_pipeline.runs.open_runs import OpenRuns
runs = OpenRuns(Path(sys.argv[1]))
runs.open(sys.argv[2])
print("open", flush=True)
time.sleep(600)
"""
TAKES_OVER = """
import sys
from pathlib import Path
from soundmind_pipeline.runs.open_runs import OpenRuns
runs = OpenRuns(Path(sys.argv[1]))
print(",".join(runs.left_open()), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def feeding(tmp_path):
    """Starts a process that feeds a run."""
    processes = []

    def start(run_id):
        command = [sys.executable, "-c", FEEDS, str(tmp_path), run_id]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "open\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_run_is_left_open_once_its_process_is_killed(tmp_path, feeding):
    one, _two = feeding("one"), feeding("two")
    runs = OpenRuns(tmp_path)
    assert list(runs.left_open()) == []
    one.kill()
    one.wait()
    assert list(runs.left_open()) == ["one"]
    assert list(runs.left_open()) == []  # this process feeds it now
    runs.end("one")
    assert [path.name for path in tmp_path.iterdir()] == ["two"]


def test_one_process_alone_takes_over(tmp_path, feeding):
    killed = feeding("left")
    killed.kill()
    killed.wait()
    command = [sys.executable, "-c", TAKES_OVER, str(tmp_path)]
    takers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    taken = [taker.stdout.readline().strip() for taker in takers]  # all of them are alive until here
    for taker in takers:
        taker.communicate()
    assert sorted(taken) == ["", "", "", "left"]


def test_an_ended_run_leaves_nothing(tmp_path):
    runs = OpenRuns(tmp_path / "none yet")
    assert list(runs.left_open()) == []
    runs.open("a")
    runs.end("a")
    runs.end("a")
    assert list(runs.folder.iterdir()) == []

"""Two processes that want the same stages: readers get on with one another, builders with nobody."""

import subprocess
import sys

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.runs.stage_locks import locked_stages

BUILDS_RL = """
import sys
from pathlib import Path
from soundmind_pipeline.runs.stage_locks import locked_stages
with locked_stages(Path(sys.argv[1]), built=["rl"], read=["sft", "features"]):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def builder(tmp_path):
    """A process that builds rl from sft and features."""
    command = [sys.executable, "-c", BUILDS_RL, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("built", "read", "held"),
    [
        (["rl"], [], "rl"),
        (["evaluation"], ["rl", "sft"], "rl"),
        (["evaluation"], ["sft", "features"], None),
        (["sft"], [], "sft"),
        (["audit"], [], None),
    ],
)
def test_what_one_builds_no_other_touches_and_what_one_reads_no_other_builds(tmp_path, builder, built, read, held):
    if held is None:
        with locked_stages(tmp_path, built, read):
            return
    with pytest.raises(SoundmindError, match=f"at work on {held} in"), locked_stages(tmp_path, built, read):
        pass


def test_a_killed_process_holds_nothing(tmp_path, builder):
    builder.kill()
    builder.wait()
    with locked_stages(tmp_path, ["rl"], ["sft"]):
        pass

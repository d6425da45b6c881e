"""The other launchers: DeepSpeed's for real on this machine, Slurm's with stand-ins for its two programs."""

import os
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.training.launcher.commands import launch_command
from soundmind_pipeline.training.launcher.launch import run_training
from soundmind_pipeline.training.launcher.params import LauncherParams
from soundmind_pipeline.training.params import TrainingParams

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import trains  # noqa: E402 - ranks find it on their PYTHONPATH, under the same name

SRUN = """#!/bin/sh
echo "$@" > "{folder}/srun-arguments"
while [ "${{1#--}}" != "$1" ]; do shift; done
exec "$@"
"""
SCONTROL = """#!/bin/sh
echo localhost
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A machine on which `srun` runs its command here, once."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("srun", SRUN.format(folder=tmp_path)), ("scontrol", SCONTROL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "1")
    monkeypatch.setenv("SLURM_JOB_NODELIST", "node[1]")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    return tmp_path


def test_slurm_runs_torchrun_once_a_machine(slurm, tmp_path, monkeypatch, free_port):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    params = TrainingParams(threads=1, launcher={"kind": "slurm", "processes": 2, "port": free_port})
    result = run_training(trains.add_up, work=tmp_path, metrics=ListSink(), params=params, number=1)
    assert result == (2, [0, 1])
    arguments = (slurm / "srun-arguments").read_text()
    assert "--ntasks-per-node=1" in arguments
    assert f"--rdzv-endpoint=localhost:{free_port}" in arguments
    assert "--rdzv-id=4711" in arguments


def test_slurm_needs_an_allocation(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_NUM_NODES", raising=False)
    monkeypatch.delenv("SLURM_NNODES", raising=False)
    with pytest.raises(SoundmindError, match="running allocation") as caught:
        launch_command(LauncherParams(kind="slurm"), tmp_path)
    assert "sbatch" in caught.value.hint


def test_deepspeed_reads_the_hostfile(tmp_path, monkeypatch, free_port):
    (tmp_path / "ssh").write_text("#!/bin/sh\nhostname\n")  # DeepSpeed asks by ssh whether a machine can be reached
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    hostfile = tmp_path / "hostfile"
    hostfile.write_text("localhost slots=2\n")
    params = TrainingParams(
        threads=1, launcher={"kind": "deepspeed", "hostfile": str(hostfile), "processes": 2, "port": free_port}
    )
    result = run_training(trains.add_up, work=tmp_path, metrics=ListSink(), params=params, number=1)
    assert result == (2, [0, 1])


def test_a_missing_hostfile_is_named(tmp_path):
    with pytest.raises(SoundmindError, match=r"no file .*hosts"):
        launch_command(LauncherParams(kind="deepspeed", hostfile=str(tmp_path / "hosts")), tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"processes": 2}, {"kind": "deepspeed"}, {"kind": "torchrun", "hostfile": "hosts"}, {"kind": "mpi"}]
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValidationError):
        LauncherParams(**wrong)

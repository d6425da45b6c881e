"""Command lines that start the ranks of a job."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.training.launcher.params import LauncherParams

WORKER: Final = "soundmind_pipeline.training.launcher.worker"
_RENDEZVOUS_SECONDS: Final = 300


def launch_command(params: LauncherParams, job: Path) -> list[str]:
    """The command that starts every rank of the job in folder `job`.

    Raises:
        SoundmindError: The hostfile is missing, or there is no Slurm allocation.
    """
    if params.kind == "torchrun":
        return [*_torchrun(params), "--standalone", "-m", WORKER, str(job)]
    if params.kind == "deepspeed":
        return _deepspeed(params, job)
    if params.kind == "slurm":
        return _slurm(params, job)
    raise ValueError(f"launcher.kind {params.kind} starts no processes")


def _torchrun(params: LauncherParams) -> list[str]:
    # A rank that fails ends the job: resuming from the last checkpoint is the next run's business, not the agent's.
    return [
        sys.executable, "-m", "torch.distributed.run", "--max-restarts=0", f"--nproc-per-node={params.processes}",
    ]  # fmt: skip


def _deepspeed(params: LauncherParams, job: Path) -> list[str]:
    hostfile = Path(params.hostfile or "")
    if not hostfile.is_file():
        raise SoundmindError(
            f"launcher.hostfile: there is no file {hostfile}.", "Write one line a machine, such as: worker-1 slots=8"
        )
    return [
        sys.executable, "-m", "deepspeed.launcher.runner", "--hostfile", str(hostfile), "--master_port",
        str(params.port), "--no_local_rank", "--module", WORKER, str(job),
    ]  # fmt: skip


def _slurm(params: LauncherParams, job: Path) -> list[str]:
    nodes = os.environ.get("SLURM_JOB_NUM_NODES") or os.environ.get("SLURM_NNODES")
    if not nodes or not shutil.which("srun"):
        raise SoundmindError(
            "launcher.kind: slurm needs a running allocation (no SLURM_JOB_NUM_NODES, or no srun on the PATH).",
            "Submit the job with `sbatch conf/slurm/soundmind.sbatch`, or set launcher.kind to torchrun.",
        )
    rendezvous = [
        f"--nnodes={nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={_first_host()}:{params.port}",
        f"--rdzv-id={os.environ.get('SLURM_JOB_ID', 'soundmind')}", f"--rdzv-conf=join_timeout={_RENDEZVOUS_SECONDS}",
    ]  # fmt: skip
    # --kill-on-bad-exit: when one machine's agent fails, the others must not wait for it.
    srun = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--kill-on-bad-exit=1"]
    return [*srun, *_torchrun(params), *rendezvous, "-m", WORKER, str(job)]


def _first_host() -> str:
    """Name of the first machine of the allocation."""
    names = os.environ.get("SLURM_JOB_NODELIST") or os.environ.get("SLURM_NODELIST", "localhost")
    listed = subprocess.run(["scontrol", "show", "hostnames", names], capture_output=True, text=True, check=True)
    return listed.stdout.split()[0]

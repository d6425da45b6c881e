"""Run a training function on the ranks that the parameters ask for, and say which rank ended it when one does."""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import psutil

from soundmind_pipeline.metrics import MetricSink
from soundmind_pipeline.training.launcher.commands import launch_command
from soundmind_pipeline.training.launcher.diagnosis import diagnose, oom_kills
from soundmind_pipeline.training.launcher.job import JobFolder, Train
from soundmind_pipeline.training.launcher.watch import Watch, local_workers
from soundmind_pipeline.training.launcher.worker import STACK_SIGNAL
from soundmind_pipeline.training.params import TrainingParams

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.1
_STACK_SECONDS: Final = 1.0
_KILL_SECONDS: Final = 10.0
_PLACE_VARIABLES: Final = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def run_training(
    train: Train, *, work: Path, metrics: MetricSink, params: TrainingParams, **arguments: Any
) -> tuple[Any, Any]:
    """Call `train` here, or on the ranks of `params.launcher`; rank 0's result.

    Several ranks are processes of a launcher's own process group. Rank 0 shows its log and its progress bar here, each
    rank writes `rank-<n>.log`, and metrics arrive step by step, so that only this process speaks to a tracker. Ctrl-C
    and SIGTERM end the ranks first. When this process is killed, ranks on this machine end within seconds.

    Args:
        train: `train_sft` or `train_rl`.
        work: The stage's work folder; logs stand in its folder `launch` until the job is done.
        metrics: Gets each step's metrics.
        params: The stage's parameters.
        arguments: The other arguments of `train`; several ranks get them by pickle.

    Raises:
        SoundmindError: A rank failed, was killed, or hung; names it, why, and its log file.
        KeyboardInterrupt: The job was interrupted, or this process was told to terminate.
    """
    if params.launcher.kind == "in_process":
        return train(work=work, metrics=metrics, params=params, **arguments)
    job = JobFolder(work / "launch")
    _kill_ranks(job)  # those of an earlier launch that outlive its killed launching process for a moment
    shutil.rmtree(job.path, ignore_errors=True)
    job.path.mkdir(parents=True)
    job.write_job(train, {"work": work, "params": params, **arguments})
    _Launch(job, params, metrics).run()
    result: tuple[Any, Any] = job.read_result()
    shutil.rmtree(job.path)
    return result


class _Launch:
    """One launch: the launcher's process, and what its ranks tell."""

    def __init__(self, job: JobFolder, params: TrainingParams, metrics: MetricSink) -> None:
        self._job, self._launcher, self._metrics = job, params.launcher, metrics
        self._environment = _environment(params.threads)
        self._told = 0
        self._stop = False

    def run(self) -> None:
        """From start to end; returns when every rank is done."""
        command = launch_command(self._launcher, self._job.path)
        logger.info("Starting %s ranks a machine by %s.", self._launcher.processes, self._launcher.kind)
        kills_before = oom_kills()
        with (
            open(self._job.path / "launcher.log", "wb") as log,
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, process_group=0
            ) as process,
            self._listening(),
        ):
            try:
                reason = self._wait(process)
            finally:
                _end(process, self._job, self._launcher.grace_seconds)
                self._pass_metrics_on()
        if self._stop:
            raise KeyboardInterrupt
        if reason is None and self._is_done():
            return
        raise diagnose(self._job, reason, process.returncode, oom_kills() > kills_before)

    def _wait(self, process: subprocess.Popen[bytes]) -> str | None:
        """Until the launcher has ended (None), or must be: why."""
        watch = Watch(self._job, self._launcher.hang_seconds)
        failed_at: float | None = None
        while process.poll() is None and not self._stop:
            self._pass_metrics_on()
            if hung := watch.hung():
                _ask_for_stacks(self._job)
                return hung
            if failed_at is None and any(report.outcome == "failed" for report in self._job.reports()):
                failed_at = time.monotonic()
            if failed_at is not None and time.monotonic() - failed_at > self._launcher.grace_seconds:
                return None
            time.sleep(_POLL_SECONDS)
        return None

    def _is_done(self) -> bool:
        """Whether every rank says so and the result is there; what a rank does while it shuts down matters no more."""
        places, reports = self._job.places(), self._job.reports()
        done = [report for report in reports if report.outcome == "done"]
        return bool(places) and len(done) == places[0].world_size and (self._job.path / "result.pkl").exists()

    def _pass_metrics_on(self) -> None:
        """Give the metrics that rank 0 has written since the last call to the sink; a half-written line waits."""
        if not self._job.metrics.exists():
            return
        with open(self._job.metrics, "rb") as file:
            file.seek(self._told)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._told += len(line)
                row = json.loads(line)
                self._metrics.log(row["step"], row["metrics"])

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as the wish to end; elsewhere than in the main thread nobody can listen."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: object) -> None:
            self._stop = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _environment(threads: int) -> Mapping[str, str]:
    """The ranks' environment: ours without the place that a launcher might have given this process."""
    kept = {name: value for name, value in os.environ.items() if name not in _PLACE_VARIABLES}
    # Waiting threads that spin take the other ranks' cores away.
    return {"OMP_WAIT_POLICY": "PASSIVE", **kept, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}


def _ask_for_stacks(job: JobFolder) -> None:
    """Let every rank on this machine write what it is doing to its log."""
    for worker in local_workers(job):
        worker.send_signal(STACK_SIGNAL)
    time.sleep(_STACK_SECONDS)


def _end(process: subprocess.Popen[bytes], job: JobFolder, grace_seconds: float) -> None:
    """End the launcher and its ranks: ask, wait, kill. Launchers put ranks into sessions of their own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    _kill_ranks(job)


def _kill_ranks(job: JobFolder) -> None:
    """Kill the job's ranks on this machine, and wait until they are gone."""
    ranks = local_workers(job)
    for rank in ranks:
        with contextlib.suppress(psutil.NoSuchProcess):
            rank.kill()
    psutil.wait_procs(ranks, timeout=_KILL_SECONDS)

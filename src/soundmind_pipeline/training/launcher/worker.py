"""One rank of a launched job: `python -m soundmind_pipeline.training.launcher.worker JOB_FOLDER`.

The launcher that started it (torchrun, deepspeed, srun) tells its place by RANK and WORLD_SIZE.
"""

import contextlib
import faulthandler
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final, TextIO

from soundmind_pipeline.metrics import MetricSink, NullSink
from soundmind_pipeline.training.launcher.job import JobFolder, Report, failure
from soundmind_pipeline.training.pulse import start_pulse

STACK_SIGNAL: Final = signal.SIGUSR1
"""Makes a rank write the stack of every thread to its log."""

_DRIVER_CHECK_SECONDS: Final = 1.0
_ORPHAN_EXIT: Final = 70


class FileSink:
    """Writes each step's metrics as one JSON line, for the launching process to pass on."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "a", buffering=1)  # noqa: SIM115 - lives as long as the process

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write one line."""
        self._file.write(json.dumps({"step": step, "metrics": dict(metrics)}) + "\n")


def main(folder: Path) -> int:
    """Run this rank of the job in `folder`; the exit status."""
    job = JobFolder(folder)
    rank = int(os.environ["RANK"])
    document = job.read_job()
    is_local = document["host"] == socket.gethostname()
    log = open(job.log(rank), "a", buffering=1)  # noqa: SIM115 - lives as long as the process
    _speak_to(log, rank, document["driver"] if is_local else None)
    job.announce(rank, int(os.environ["WORLD_SIZE"]))
    start_pulse(job.pulse(rank))
    faulthandler.register(STACK_SIGNAL, file=log, all_threads=True)
    signal.signal(signal.SIGTERM, _on_terminate)
    if is_local:
        threading.Thread(target=_end_with, args=(document["driver"],), daemon=True).start()
    try:
        result = _train(job, rank, document)
    except _Terminated:
        job.report(Report(rank, "terminated", time.time()))
        return 128 + signal.SIGTERM
    except BaseException as error:
        text = traceback.format_exc()
        log.write(text)
        job.report(failure(rank, error, text))
        return 1
    if rank == 0:
        job.write_result(result)
    job.report(Report(rank, "done", time.time()))
    return 0


class _Terminated(BaseException):
    """The launcher asks this rank to end."""


def _on_terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _train(job: JobFolder, rank: int, document: Mapping[str, Any]) -> Any:
    # torch and DeepSpeed are imported here: an error in that is reported as any other is.
    from soundmind_pipeline.training.ranks import process_group

    arguments = dict(document["arguments"])
    metrics: MetricSink = FileSink(job.metrics) if rank == 0 else NullSink()
    with process_group(arguments["params"].threads):
        return document["train"](**arguments, metrics=metrics)


def _speak_to(log: TextIO, rank: int, driver: int | None) -> None:
    """Log records go to the rank's file. Rank 0 shows records and progress where the launching process shows its own.

    What a rank prints otherwise goes to its file: launchers add walls of text to their ranks' output.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(log)]
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        target = log.fileno()
        if rank == 0 and driver is not None:
            with contextlib.suppress(OSError):  # a socket cannot be opened again
                target = os.open(f"/proc/{driver}/fd/{number}", os.O_WRONLY | os.O_APPEND)
        os.dup2(target, stream.fileno())
        if target != log.fileno() and number == 2:
            handlers.append(logging.StreamHandler(sys.stderr))
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S", handlers=handlers, force=True
    )
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("soundmind_pipeline").setLevel(logging.INFO)


def _end_with(driver: int) -> None:
    """End this process when the launching one is gone: a killed `kedro run` must leave nobody behind."""
    while True:
        time.sleep(_DRIVER_CHECK_SECONDS)
        try:
            os.kill(driver, 0)
        except ProcessLookupError:
            os._exit(_ORPHAN_EXIT)
        except PermissionError:
            return  # the pid is another user's: a container or a reused pid, about which nothing can be said


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

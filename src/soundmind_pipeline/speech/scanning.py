"""Scanning many clips in worker processes: no file can end the run, and memory does not grow with their number."""

import json
import os
import queue
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.scan import ClipFacts, ScanParams, scan_clip
from soundmind_pipeline.speech.scan_worker import READY

COMMAND: Final = ("-P", "-m", "soundmind_pipeline.speech.scan_worker")
"""Arguments of Python for a scanning process (-P: the current folder must not shadow modules)."""

_ENVIRONMENT: Final = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # glibc keeps what one clip has freed for the next: a third of the time went into clearing new pages.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}

Place = tuple[Path, Path | None]
"""A file, and the folder that it must stand in (None where any place will do)."""


def scan_clips(places: Sequence[Place], params: ScanParams) -> Iterator[ClipFacts]:
    """Scan many files.

    Args:
        places: The files.
        params: What is tolerated, and the number of processes.

    Yields:
        The facts of each file, in the order of ``places``. A file that kills the process that reads it, or takes longer
        than ``params.timeout``, is ``crashed``.

    Raises:
        SoundmindError: A scanning process cannot even start.
    """
    if params.workers == 0:
        yield from (scan_clip(path, params, root) for path, root in places)
        return
    workers = [_Worker(params) for _ in range(min(params.workers, len(places)))]
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def scan(place: Place) -> ClipFacts:
        worker = idle.get()
        try:
            return worker.scan(*place)
        finally:
            idle.put(worker)

    pool = ThreadPoolExecutor(len(workers) or 1, thread_name_prefix="scan")
    try:
        ahead: deque[Future[ClipFacts]] = deque()
        for place in places:
            ahead.append(pool.submit(scan, place))
            if len(ahead) >= 16 * len(workers):
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        for worker in workers:
            worker.close()


class _Worker:
    """One scanning process, started when first needed and again after a file has killed it."""

    def __init__(self, params: ScanParams) -> None:
        self._params = params
        self._process: subprocess.Popen[str] | None = None

    def scan(self, path: Path, root: Path | None) -> ClipFacts:
        """The facts of one file."""
        process = self._process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        with suppress(OSError):  # it is dead already: there will be no answer
            process.stdin.write(json.dumps([str(path), None if root is None else str(root)]) + "\n")
            process.stdin.flush()
        if answer := process.stdout.readline():
            return ClipFacts(**json.loads(answer))
        self.close()
        return ClipFacts(defect="crashed", detail=self._death(process.returncode))

    def _start(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, *COMMAND, self._params.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders complain there of what becomes a defect here
            text=True,
            process_group=0,  # Ctrl-C is for the parent, which then ends the worker
            env=os.environ | _ENVIRONMENT,
        )
        assert process.stdout is not None
        if process.stdout.readline() != READY:
            self._process = process
            self.close()
            raise SoundmindError(
                f"A scanning process cannot start (exit status {process.returncode}).",
                hint="`python -m soundmind_pipeline.speech.scan_worker '{}' </dev/null` shows why.",
            )
        return process

    def _death(self, code: int) -> str:
        if -code == signal.SIGALRM:
            return f"reading it did not end within {self._params.timeout} s"
        return f"the process that read it died (exit status {code})"

    def close(self) -> None:
        """End the process: it leaves by itself when its stdin ends, and is killed if it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

"""Which ranks still live, and whether one of them has gone silent."""

import socket
import time
from collections.abc import Callable
from typing import Final

import psutil

from soundmind_pipeline.training.launcher.commands import WORKER
from soundmind_pipeline.training.launcher.job import JobFolder
from soundmind_pipeline.training.pulse import last_beat

_START_SECONDS: Final = 300.0
"""A rank's first sign of life comes before its imports and the reading of its job, which share a busy disk."""


class Watch:
    """Notices ranks that give no sign of life.

    Silence is measured by this process's own clock, since the machines' clocks may differ.

    Args:
        job: The launch.
        hang_seconds: How long a rank may be silent.
        clock: Seconds that only grow.
    """

    def __init__(self, job: JobFolder, hang_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._job, self._hang_seconds, self._clock = job, hang_seconds, clock
        self._seen: dict[int, tuple[int, float]] = {}

    def hung(self) -> str | None:
        """What to say of the rank that holds the others up, once it has been silent for too long; else None.

        That is the one that stopped first among those that do not wait in a collective call, or among all.
        """
        now = self._clock()
        ended = {report.rank for report in self._job.reports()}
        living = []
        for place in self._job.places():
            beat = last_beat(self._job.pulse(place.rank))
            if beat is None or place.rank in ended:
                continue
            if self._seen.get(place.rank, (-1, now))[0] != beat.count:
                self._seen[place.rank] = (beat.count, now)
            living.append((beat, place))
        if not living:
            return None
        beat, place = min(living, key=lambda entry: (entry[0].waits, entry[0].time))
        limit = max(self._hang_seconds, _START_SECONDS) if beat.count == 1 else self._hang_seconds
        if now - self._seen[place.rank][1] <= limit:
            return None
        return (
            f"Rank {place.rank} (pid {place.pid} on {place.host}) hangs: no sign of life for {limit:g} s since it "
            f"began with {beat.doing!r}"
        )


def local_workers(job: JobFolder) -> list[psutil.Process]:
    """The processes of the job's ranks on this machine that still run."""
    workers = []
    for place in job.places():
        if place.host != socket.gethostname():
            continue
        try:
            process = psutil.Process(place.pid)
            if WORKER in process.cmdline() and str(job.path) in process.cmdline():  # the pid may be another's by now
                workers.append(process)
        except psutil.NoSuchProcess:
            continue
    return workers

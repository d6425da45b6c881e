"""Which MLflow runs of a data folder are being fed, and which were left open by a process that is gone."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class OpenRuns:
    """One marker file for each run that has not ended, locked by the process that feeds it.

    The kernel drops the lock with the process, also after ``kill -9`` and when a container starts anew with the same
    process ids; and of several processes one alone gets the lock of a run that was left. On a file system without
    locks a run that was left open is taken for one that is still fed: the next process starts a run of its own.

    Args:
        folder: Where the markers stand.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: dict[str, int] = {}

    def open(self, run_id: str) -> None:
        """Mark ``run_id`` as fed by this process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock(run_id, os.O_CREAT)

    def left_open(self) -> Iterator[str]:
        """The runs whose process is gone; each is this process's from then on, to continue or to end."""
        for path in sorted(self.folder.glob("*")):
            # A second descriptor of a file that this process has locked would drop the lock when it is closed.
            if path.name not in self._held and self._lock(path.name):
                yield path.name

    def end(self, run_id: str) -> None:
        """Forget ``run_id``: it has ended."""
        (self.folder / run_id).unlink(missing_ok=True)
        if (descriptor := self._held.pop(run_id, None)) is not None:
            os.close(descriptor)

    def _lock(self, run_id: str, flags: int = 0) -> bool:
        path = self.folder / run_id
        try:
            descriptor = os.open(path, os.O_RDWR | flags)
        except FileNotFoundError:
            return False  # ended meanwhile
        try:
            # Record locks belong to the process: unlike flock's they are not shared with children that outlive it.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = path.stat().st_ino == os.fstat(descriptor).st_ino
        except OSError:  # another process holds it, or has just ended it, or there are no locks here
            same = False
        if not same:
            os.close(descriptor)
            return False
        self._held[run_id] = descriptor
        return True

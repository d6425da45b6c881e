"""The folder through which a launcher and its ranks speak: the job in, logs, signs of life, metrics and result out.

It must be reachable from every machine of the job (a shared file system, as the data are).
"""

import json
import os
import pickle
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path

Train = Callable[..., tuple[Any, Any]]
"""`train_sft` or `train_rl`."""

Outcome = Literal["done", "failed", "terminated"]


@dataclass(frozen=True)
class Report:
    """How a rank ended."""

    rank: int
    outcome: Outcome
    time: float
    """Seconds since the epoch."""
    error: str = ""
    """Type and message of the exception."""
    traceback: str = ""
    """Where it was raised."""
    hint: str | None = None
    """What to do about it, if the exception says so."""
    out_of_memory: bool = False
    """Whether the exception says that memory ran out."""


@dataclass(frozen=True)
class Place:
    """Where a rank runs."""

    rank: int
    host: str
    pid: int
    world_size: int


class JobFolder:
    """Files of one launch.

    Args:
        path: The folder; a launch begins with an empty one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write_job(self, train: Train, arguments: Mapping[str, Any]) -> None:
        """Write what the ranks shall call; `arguments` go through pickle."""
        document = {"train": train, "arguments": dict(arguments), "driver": os.getpid(), "host": socket.gethostname()}
        with atomic_path(self.path / "job.pkl") as temporary:
            temporary.write_bytes(pickle.dumps(document))

    def read_job(self) -> dict[str, Any]:
        """What `write_job` wrote: `train`, `arguments`, and the launcher's `driver` pid and `host`."""
        document: dict[str, Any] = pickle.loads((self.path / "job.pkl").read_bytes())
        return document

    def write_result(self, result: Any) -> None:
        """What the training function returned, by rank 0."""
        with atomic_path(self.path / "result.pkl") as temporary:
            temporary.write_bytes(pickle.dumps(result))

    def read_result(self) -> Any:
        """What the training function returned on rank 0."""
        return pickle.loads((self.path / "result.pkl").read_bytes())

    def log(self, rank: int) -> Path:
        """The log file of a rank."""
        return self.path / f"rank-{rank}.log"

    def pulse(self, rank: int) -> Path:
        """The file with a rank's newest sign of life."""
        return self.path / f"pulse-{rank}.json"

    @property
    def metrics(self) -> Path:
        """Rank 0's metrics, one JSON line a step."""
        return self.path / "metrics.jsonl"

    def announce(self, rank: int, world_size: int) -> None:
        """This process is rank `rank`."""
        self._write(f"place-{rank}.json", Place(rank, socket.gethostname(), os.getpid(), world_size))

    def report(self, report: Report) -> None:
        """How this rank ended; the first report stands."""
        if not (self.path / f"report-{report.rank}.json").exists():
            self._write(f"report-{report.rank}.json", report)

    def places(self) -> list[Place]:
        """The ranks that have started."""
        return [Place(**document) for document in self._read("place")]

    def reports(self) -> list[Report]:
        """The ranks that have ended, the first to end first."""
        return sorted((Report(**document) for document in self._read("report")), key=lambda report: report.time)

    def _write(self, name: str, record: Place | Report) -> None:
        with atomic_path(self.path / name) as temporary:
            temporary.write_text(json.dumps(vars(record)))

    def _read(self, kind: str) -> Iterator[dict[str, Any]]:
        for file in self.path.glob(f"{kind}-*.json"):
            yield json.loads(file.read_text())


def failure(rank: int, error: BaseException, traceback: str) -> Report:
    """The report of a rank that ended in `error`; a traceback tells a person nothing about what they can mend."""
    if isinstance(error, SoundmindError):
        return Report(rank, "failed", time.time(), error.message, hint=error.hint)
    text = f"{type(error).__name__}: {error}"
    out_of_memory = isinstance(error, MemoryError) or any(
        sign in text
        for sign in ("OutOfMemoryError", "out of memory", "can't allocate memory", "Cannot allocate memory")
    )
    return Report(rank, "failed", time.time(), text, traceback, out_of_memory=out_of_memory)

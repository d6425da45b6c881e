"""Sign of life of a rank: what it is doing, written where the process that started it can read it."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_WIDTH: Final = 128
_open_file: int | None = None
_count = 0


@dataclass(frozen=True)
class Beat:
    """The newest sign of life of a rank."""

    count: int
    """How many there were."""
    doing: str
    """What the rank began with it."""
    waits: bool
    """Whether this is a collective call, in which a healthy rank waits for the others."""
    time: float
    """Seconds since the epoch."""


def start_pulse(path: Path) -> None:
    """Write every later `beat` of this process to `path`."""
    global _open_file, _count
    path.parent.mkdir(parents=True, exist_ok=True)
    _open_file, _count = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 0
    beat("start")


def beat(doing: str, waits: bool = False) -> None:
    """Tell that this rank begins with `doing`; costs microseconds, and nothing without `start_pulse`.

    Args:
        doing: A few words.
        waits: Whether it is a collective call, in which a healthy rank waits for the others.
    """
    global _count
    if _open_file is None:
        return
    _count += 1
    line = json.dumps({"count": _count, "doing": doing, "waits": waits, "time": time.time()})
    # One write of constant width: a reader never sees half of a line.
    os.pwrite(_open_file, line.ljust(_WIDTH)[:_WIDTH].encode(), 0)


def last_beat(path: Path) -> Beat | None:
    """The newest beat in `path`, or None when there is none yet."""
    try:
        return Beat(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None

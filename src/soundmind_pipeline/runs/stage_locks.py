"""Two runs that would disturb each other in one data folder do not run at once."""

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from soundmind_pipeline.errors import SoundmindError


@contextmanager
def locked_stages(folder: Path, built: Iterable[str], read: Iterable[str]) -> Iterator[None]:
    """Keep other processes from building what this one builds or reads, and from reading what it builds.

    The kernel drops the locks with the process, also after ``kill -9``. On a file system without locks nothing is kept.

    Args:
        folder: Where the lock files stand.
        built: Names of the stages that this process builds.
        read: Those whose artifacts it reads.

    Raises:
        SoundmindError: Another process is at it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {**dict.fromkeys(read, fcntl.LOCK_SH), **dict.fromkeys(built, fcntl.LOCK_EX)}
    with ExitStack() as files:
        for stage, kind in kinds.items():
            file = files.enter_context((folder / stage).open("a+"))
            try:
                # Record locks belong to the process: unlike flock's they are not shared with children that outlive it.
                fcntl.lockf(file, kind | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError) as error:  # what POSIX allows for "held by another"
                raise SoundmindError(
                    f"Another run is at work on {stage} in this data folder.",
                    hint="Wait for its end, or try things in a copy of the project: dvc exp run --temp",
                ) from error
            except OSError:  # no locks here
                continue
        yield

"""Writing files so that a half-written one is never taken for a complete one."""

import glob
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary sibling of ``path``; rename it over ``path`` when the block ends without an error.

    The temporary name keeps the suffix, so that writers which look at it (Parquet, WAV, PNG) behave.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """Yield an empty temporary sibling folder; put it in the place of ``path`` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        replace_directory(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_directory(source: Path, target: Path) -> None:
    """Move the folder ``source`` to ``target``; what stood at ``target`` goes only once the new one is whole."""
    outgoing = target.with_name(f".{target.name}.{os.getpid()}.old")
    shutil.rmtree(outgoing, ignore_errors=True)
    if target.exists():
        target.rename(outgoing)
    source.rename(target)
    shutil.rmtree(outgoing, ignore_errors=True)


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes left beside the folder ``path`` while they replaced it; none may be at it now."""
    for ending in ("tmp", "old"):
        for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.{ending}"):
            shutil.rmtree(leftover, ignore_errors=True)


def move_directory(source: Path, target: Path) -> None:
    """Put the folder ``source`` in the place of ``target``, whole or not at all, on another disk too."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_dev == target.parent.stat().st_dev:
        replace_directory(source, target)
        return
    with atomic_directory(target) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
    shutil.rmtree(source)


def sha256_of(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, as 64 lower-case hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

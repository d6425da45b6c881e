"""Hashes of files and folders, each read again only when it has changed."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from soundmind_pipeline.files import atomic_path
from soundmind_pipeline.runs.dvc_hashes import MAX_BYTES, dvc_md5, folder_md5

SAMPLED: Final = "sampled:"
"""Begins the hash of what is larger than :data:`~soundmind_pipeline.runs.dvc_hashes.MAX_BYTES`."""
SAMPLE_BYTES: Final = 4096


class Hashes:
    """Hashes by path, kept in a file from one command to the next.

    Up to 64 MiB a hash is DVC's MD5, hence the one in ``dvc.lock`` (save that links to folders are followed here). Of
    larger files and folders only names, sizes, and the beginning, middle and end of each file are read: a second
    instead of minutes, at the price that a change of the same length elsewhere in a large file goes unseen.

    Args:
        project: The project folder.
        cache: Where hashes are kept: path → (sizes and times of the files, hash).
    """

    def __init__(self, project: Path, cache: Path) -> None:
        self._project, self._cache = project, cache
        self._known: dict[str, list[str]] = {}
        self._fresh = False
        with contextlib.suppress(OSError, ValueError, TypeError):  # nothing is lost but time
            self._known = dict(json.loads(cache.read_text(encoding="utf-8")))

    def of(self, path: str) -> str | None:
        """The hash of a file or folder, relative to the project; None if nothing is there."""
        place = self._project / path
        if not place.exists():
            return None
        files = _files(place)
        signature = _md5(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in files)
        known = self._known.get(path)
        if known is None or known[0] != signature:
            small = sum(stat.st_size for _, stat in files) <= MAX_BYTES
            known = [signature, _whole(place, files) if small else _sampled(place, files)]
            self._known[path] = known
            self._fresh = True
        return known[1]

    def keep(self) -> None:
        """Write new hashes into the cache."""
        if self._fresh:
            with atomic_path(self._cache) as temporary:
                temporary.write_text(json.dumps(self._known, sort_keys=True, indent=0), encoding="utf-8")
            self._fresh = False


def _files(place: Path) -> list[tuple[str, os.stat_result]]:
    """Files of a folder with their facts, sorted by path; links to folders are followed. A file itself has no name."""
    if place.is_file():
        return [("", place.stat())]
    found = []
    for folder, _, names in os.walk(place, followlinks=True):
        for file in (Path(folder, name) for name in names):
            if file.is_file():
                found.append((file.relative_to(place).as_posix(), file.stat()))
    return sorted(found, key=lambda item: item[0])


def _whole(place: Path, files: list[tuple[str, os.stat_result]]) -> str:
    return dvc_md5(place) if place.is_file() else folder_md5(place, (name for name, _ in files))


def _sampled(place: Path, files: list[tuple[str, os.stat_result]]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for name, stat in files:
        digest.update(f"{name} {stat.st_size} ".encode())
        with (place / name if name else place).open("rb") as file:
            for position in (0, stat.st_size // 2, max(stat.st_size - SAMPLE_BYTES, 0)):
                file.seek(position)
                digest.update(file.read(SAMPLE_BYTES))
    return f"{SAMPLED}{digest.hexdigest()}"


def _md5(lines: Iterable[str]) -> str:
    return hashlib.md5("\n".join(lines).encode(), usedforsecurity=False).hexdigest()

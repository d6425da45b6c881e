"""DVC's hashes of what a run starts from, so that a run can be matched with a line of ``dvc.lock``."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

MAX_BYTES: Final = 64 << 20
"""Larger inputs are not read: their hash is taken from ``dvc.lock``, where size and number of files agree."""


def dvc_hashes(project: Path, paths: Iterable[str]) -> dict[str, str]:
    """The hash of each path, as DVC computes it; paths that are missing or whose hash is not known are left out.

    Args:
        project: The project folder, which may hold ``dvc.lock``.
        paths: Files and folders, relative to it.
    """
    locked = _locked(project)
    found = {path: _hash(project / path, locked.get(path, {})) for path in sorted(paths)}
    return {path: value for path, value in found.items() if value}


def dvc_md5(path: Path) -> str:
    """DVC's hash of a file (its MD5) or of a folder (MD5 of the list of its files' MD5s, ending in ``.dir``)."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, _md5).hexdigest()
    return folder_md5(path, [file.relative_to(path).as_posix() for file in _files(path)])


def folder_md5(path: Path, names: Iterable[str]) -> str:
    """DVC's hash of a folder that holds the files ``names``, given relative to it."""
    listed = [{"md5": dvc_md5(path / name), "relpath": name} for name in sorted(names)]
    return f"{_md5(json.dumps(listed, sort_keys=True).encode()).hexdigest()}.dir"


def _md5(data: bytes = b"") -> Any:
    return hashlib.md5(data, usedforsecurity=False)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


def _hash(path: Path, locked: dict[str, Any]) -> str | None:
    files = _files(path)
    if not files:
        return None
    size = sum(file.stat().st_size for file in files)
    if size <= MAX_BYTES:
        return dvc_md5(path)
    as_locked = locked.get("size") == size and locked.get("nfiles", 1) == len(files)
    return str(locked["md5"]) if as_locked else None


def _locked(project: Path) -> dict[str, dict[str, Any]]:
    """Entries of ``dvc.lock`` by path: what stages made, else what they were given."""
    path = project / "dvc.lock"
    stages = (yaml.safe_load(path.read_text()) or {}).get("stages", {}) if path.exists() else {}
    return {
        entry["path"]: entry for kind in ("deps", "outs") for stage in stages.values() for entry in stage.get(kind, [])
    }

"""What git says about the code that runs."""

import subprocess
from pathlib import Path


def _git(project_path: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(project_path), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def git_commit(project_path: Path) -> str | None:
    """The commit that is checked out (40 hex digits), or None outside a repository."""
    return _git(Path(project_path), "rev-parse", "HEAD")


def git_is_dirty(project_path: Path) -> bool:
    """Whether tracked files differ from the commit."""
    return bool(_git(Path(project_path), "status", "--porcelain", "--untracked-files=no"))

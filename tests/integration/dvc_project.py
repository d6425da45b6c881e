"""A project that DVC takes for finished: real code, configuration and dvc.yaml, stand-ins for what stages make."""

import contextlib
import shutil
import subprocess
from pathlib import Path

import yaml
from dvc.repo import Repo

from soundmind_pipeline.dvc_stages import project_document, render

PROJECT = Path(__file__).resolve().parents[2]
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", "cache", "tmp", "local", "config.local")


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def make_project(path: Path) -> Path:
    """A git and DVC project without artifacts."""
    for name in ("conf", "src", ".dvc"):
        shutil.copytree(PROJECT / name, path / name, ignore=IGNORED)
    for name in ("pyproject.toml", ".gitignore", ".dvcignore", "README.md"):
        shutil.copy(PROJECT / name, path / name)
    (path / "conf" / "local").mkdir(exist_ok=True)
    raw = path / "data" / "01_raw" / "notes.txt"
    raw.parent.mkdir(parents=True)
    raw.write_text("raw\n")
    (path / "dvc.yaml").write_text(render(project_document(path)))
    git(path, "init", "-q")
    git(path, "add", "-A")
    git(path, "commit", "-qm", "project")
    return path


def outputs(path: Path, stage: str) -> list[Path]:
    entry = yaml.safe_load((path / "dvc.yaml").read_text())["stages"][stage]
    return [path / out for out in [*entry["outs"], *entry.get("metrics", [])]]


def fake_outputs(path: Path, stage: str, text: str = "made") -> None:
    """Let the project look as if ``stage`` had run, but for its record."""
    for out in outputs(path, stage):
        if out.parent.name == "stages":
            continue
        file = out if out.suffix else out / "part"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('{"made": 1}' if out.suffix == ".json" else f"{text}\n")


def finish(path: Path) -> Path:
    """Let the project look as if `dvc repro` had run."""
    for stage in yaml.safe_load((path / "dvc.yaml").read_text())["stages"]:
        fake_outputs(path, stage)
        record = path / "data" / "08_reporting" / "stages" / f"{stage}.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(f'{{"stage": "{stage}"}}')
    with contextlib.chdir(path), Repo(str(path)) as repo:
        repo.commit(force=True)
    git(path, "add", "-A")
    git(path, "commit", "-qm", "finished")
    return path


def changed_stages(path: Path) -> set[str]:
    """What `dvc status` says must run, stages below those not counted."""
    with contextlib.chdir(path), Repo(str(path)) as repo:
        return set(repo.status())

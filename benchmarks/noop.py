"""CPU seconds to find that nothing is to be done: `dvc repro`, and `kedro run --only-missing-outputs`.

Both run three times, with the processes they start, in a temporary copy of the project that has small ingestion
artifacts, committed to DVC; the other stages are stood in for by small files. The fastest of the three counts: what
the machine does besides only adds.

Run: python benchmarks/noop.py
"""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TARGETS = {"dvc repro": 3.0, "kedro run --pipeline=ingestion --only-missing-outputs": 8.0}
"""CPU seconds that each may take."""


def run(project: Path, command: str) -> float:
    """CPU seconds, user and system, of a command and what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program, *arguments = command.split()
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [str(BIN / program), *arguments], cwd=project, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{command}:\n{done.stdout}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def git(project: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", *arguments]
    subprocess.run(command, cwd=project, check=True, capture_output=True)


def build(project: Path) -> None:
    """A copy of the project whose stages are all done: ingestion in earnest, the others in name."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "cache", "tmp", "config.local")
    for name in ("conf", "src", ".dvc"):
        shutil.copytree(PROJECT / name, project / name, ignore=ignored)
    for name in ("pyproject.toml", ".gitignore", ".dvcignore"):
        shutil.copy(PROJECT / name, project / name)
    (project / "conf" / "local").mkdir(exist_ok=True)
    (project / "data" / "01_raw").mkdir(parents=True)
    parameters = project / "conf" / "base" / "parameters_ingestion.yml"
    content = yaml.safe_load(parameters.read_text())
    content["ingestion"]["verified"]["counts"] = {"train": 300, "dev": 20, "test": 50}
    parameters.write_text(yaml.safe_dump(content))
    git(project, "init", "-q")
    run(project, "soundmind dvc")
    run(project, "kedro run --pipeline=ingestion")
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    for name, stage in stages.items():
        for out in (project / path for path in [*stage["outs"], *stage.get("metrics", [])]):
            if out.exists():
                continue
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps({"stage": name, "seconds": 0.0})) if out.suffix else out.mkdir()
    run(project, "dvc commit --force")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "done")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        project = Path(folder)
        build(project)
        result = {}
        for command, target in TARGETS.items():
            seconds = min(run(project, command) for _ in range(3))
            print(f"{command}: {seconds:.2f} s CPU, may take {target} s")
            result[command] = {"cpu_seconds": round(seconds, 2), "share_of_target": round(seconds / target, 3)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""One run of the whole DAG on the smoke environment, in a copy of the project, for every test that looks at it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class Project:
    """A copy of the project in a temporary folder; commands run in it as a user's would."""

    path: Path

    @property
    def reporting(self) -> Path:
        return self.path / "data" / "smoke" / "08_reporting"

    def run(self, *arguments: str, program: str = "kedro", cwd: str = ".") -> subprocess.CompletedProcess:
        """Run a command of the environment to its end, in a folder of the project."""
        command, environment = self._command(program, arguments)
        return subprocess.run(
            command, cwd=self.path / cwd, env=environment, capture_output=True, text=True, timeout=600
        )

    @contextmanager
    def started(self, *arguments: str, program: str = "kedro") -> Iterator[subprocess.Popen]:
        """A command under way, killed at the end of the block if it still runs; standard error comes with output."""
        command, environment = self._command(program, arguments)
        # A shell that runs the tests in the background has them ignore Ctrl-C, and whatever they start would too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with subprocess.Popen(
            command, cwd=self.path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @staticmethod
    def _command(program: str, arguments: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
        folder = Path(sys.executable).parent
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160", "PYTHONUNBUFFERED": "1"}
        environment["PATH"] = f"{folder}{os.pathsep}{environment['PATH']}"
        environment.pop("MLFLOW_TRACKING_URI", None)
        return [str(folder / program), *arguments], environment


def copy_project(path: Path) -> Project:
    for name in ("conf", "data", "pyproject.toml", "dvc.yaml", ".telemetry", ".dvc", ".dvcignore", ".gitignore"):
        source = PROJECT / name
        if name == "data":
            for layer in source.iterdir():
                (path / name / layer.name).mkdir(parents=True, exist_ok=True)
        elif source.is_dir():
            ignore = shutil.ignore_patterns("cache", "tmp", "local")
            shutil.copytree(source, path / name, ignore=ignore)
        else:
            shutil.copy(source, path / name)
    # Kedro wants the source inside the project, so a link would not do.
    shutil.copytree(PROJECT / "src", path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    (path / "conf" / "local").mkdir(exist_ok=True)
    return Project(path)


@pytest.fixture
def fresh_project(tmp_path) -> Project:
    """A copy of the project without artifacts, in a git repository of its own."""
    project = copy_project(tmp_path)
    for arguments in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *arguments], cwd=project.path, check=True, capture_output=True)
    return project


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> tuple[Project, subprocess.CompletedProcess]:
    """The project after `kedro run --env smoke --pipeline=rl`, which builds everything upstream first.

    The files of tests share it, so they only read it; what may change something runs in ``project``.
    """
    project = copy_project(tmp_path_factory.mktemp("project"))
    done = project.run("run", "--env", "smoke", "--pipeline=rl")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return project, done


@pytest.fixture(scope="module")
def project(smoke, tmp_path_factory) -> Project:
    """A copy of that project for the tests of one file."""
    path = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(smoke[0].path, path)
    return Project(path)

"""Where commands find the project they work on, and its configuration."""

from pathlib import Path
from typing import Any

from soundmind_pipeline.configuration import LOADER_ARGUMENTS
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path


def find_project() -> Path:
    """The project around the current folder.

    Raises:
        SoundmindError: There is none.
    """
    from kedro.utils import find_kedro_project

    project = find_kedro_project(Path.cwd())
    if project is None:
        raise SoundmindError("No Kedro project here.", hint="Run it inside the project folder.")
    return project


def load_configuration(project: Path, env: str) -> Any:
    """Kedro's configuration loader for an environment of the project.

    Raises:
        SoundmindError: There is no such environment.
    """
    from kedro.config import OmegaConfigLoader

    if not (project / "conf" / env).is_dir():
        environments = (path.parent.name for path in (project / "conf").glob("*/parameters*.yml"))
        known = ", ".join(sorted(set(environments)))
        raise SoundmindError(f"--env {env}: there is no folder conf/{env}.", f"Choose one of {known}.")
    return OmegaConfigLoader(conf_source=str(project / "conf"), env=env, **LOADER_ARGUMENTS)


def data_folder(project: Path, env: str) -> Path:
    """Where an environment of the project has its data.

    Raises:
        SoundmindError: There is no such environment.
    """
    return project / str(load_configuration(project, env)["globals"]["data"])


def write_or_check(path: Path, text: str, check: bool, command: str) -> bool:
    """Put a generated ``text`` into its file; with ``check`` only look whether it stands there.

    Returns:
        Whether the file was written; False if it held the text already.

    Raises:
        SoundmindError: ``check``, and the file holds something else: ``command`` mends it.
    """
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    if check:
        raise SoundmindError(f"{path.name} is out of date.", hint=f"Run: {command}")
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True

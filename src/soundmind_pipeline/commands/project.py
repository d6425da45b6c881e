"""Where commands find the project they work on, and its configuration."""

from pathlib import Path
from typing import Any

from soundmind_pipeline.configuration import LOADER_ARGUMENTS
from soundmind_pipeline.errors import SoundmindError


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

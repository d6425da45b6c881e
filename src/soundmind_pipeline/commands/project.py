"""Where commands find the project they work on."""

from pathlib import Path

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

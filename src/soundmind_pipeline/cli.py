"""Command line: ``kedro run`` with errors in one message, and the ``soundmind`` command."""

import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.utils import find_kedro_project

from soundmind_pipeline import environment
from soundmind_pipeline.commands.score import score
from soundmind_pipeline.errors import SoundmindError

INTERRUPTED = 130


class UserError(click.ClickException):
    """A :class:`SoundmindError` as click shows it: one message, exit code 1, no traceback."""

    def show(self, file: Any = None) -> None:
        """Print the message to standard error."""
        click.secho(f"Error: {self.message}", fg="red", err=True)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def guarded(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command so that what users can mend is shown as one message, and Ctrl-C ends it cleanly."""

    def call(*args: Any, **kwargs: Any) -> Any:
        from soundmind_pipeline.session import explain

        signal.signal(signal.SIGTERM, _interrupt)
        try:
            with warnings.catch_warnings():
                # `--pipeline` is how people know this project; Kedro 1.7 deprecates it in favour of `--pipelines`.
                warnings.filterwarnings("ignore", message="Option '--pipeline' is deprecated")
                return callback(*args, **kwargs)
        except KeyboardInterrupt:
            click.secho("Interrupted. The same command goes on from the last checkpoint.", fg="yellow", err=True)
            sys.exit(INTERRUPTED)
        except click.ClickException:
            raise
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            raise UserError(str(known)) from error

    return call


@click.group(name="soundmind-pipeline")
def cli() -> None:
    """Commands that Kedro adds to, or replaces in, its own."""


cli.add_command(
    click.Command(
        "run", params=kedro_run.params, callback=guarded(kedro_run.callback), help="Run pipelines of this project."
    )
)


@click.group(name="soundmind")
def soundmind() -> None:
    """SoundMind: tools beside the pipelines."""


soundmind.add_command(score)


@soundmind.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=5000, show_default=True, help="Port to listen on.")
def ui(host: str, port: int) -> None:
    """Open this project's MLflow store in the browser's UI."""
    import subprocess

    from soundmind_pipeline.tracking import tracking_uri

    uri = tracking_uri(find_kedro_project(Path.cwd()) or Path.cwd())
    click.echo(f"MLflow UI: http://{host}:{port}  (store {uri}; Ctrl-C ends it)")
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", host, "--port", str(port)]
    sys.exit(subprocess.call(command))


@soundmind.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when dvc.yaml is out of date.")
def dvc(check: bool) -> None:
    """Write dvc.yaml from the Kedro pipelines and catalog."""
    from soundmind_pipeline.dvc_stages import project_document, render
    from soundmind_pipeline.files import atomic_path

    project = find_kedro_project(Path.cwd())
    if project is None:
        raise SoundmindError("No Kedro project here.", hint="Run it inside the project folder.")
    path, text = project / "dvc.yaml", render(project_document(project))
    current = path.read_text() if path.exists() else ""
    if check and current != text:
        raise SoundmindError("dvc.yaml is out of date.", hint="Run: soundmind dvc")
    if current != text:
        with atomic_path(path) as temporary:
            temporary.write_text(text)
    click.echo(f"dvc.yaml is {'up to date' if current == text else 'written'}.")


def main() -> None:
    """Entry point of the ``soundmind`` command."""
    environment.prepare()
    for command in soundmind.commands.values():
        if command.callback:
            command.callback = guarded(command.callback)
    soundmind()

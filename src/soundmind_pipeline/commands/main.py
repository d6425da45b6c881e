"""The ``soundmind`` command: tools beside the pipelines."""

import subprocess
import sys

import click

from soundmind_pipeline import environment
from soundmind_pipeline.commands.audit import audit
from soundmind_pipeline.commands.export import export
from soundmind_pipeline.commands.export_model import export_model
from soundmind_pipeline.commands.guard import guarded
from soundmind_pipeline.commands.plan import plan
from soundmind_pipeline.commands.project import find_project
from soundmind_pipeline.commands.score import score
from soundmind_pipeline.errors import SoundmindError


@click.group(name="soundmind")
def soundmind() -> None:
    """SoundMind: tools beside the pipelines."""


soundmind.add_command(audit)
soundmind.add_command(export)
soundmind.add_command(export_model)
soundmind.add_command(plan)
soundmind.add_command(score)


@soundmind.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=5000, show_default=True, help="Port to listen on.")
def ui(host: str, port: int) -> None:
    """Open this project's MLflow store in the browser's UI."""
    from soundmind_pipeline.tracking import tracking_uri

    uri = tracking_uri(find_project())
    click.echo(f"MLflow UI: http://{host}:{port}  (store {uri}; Ctrl-C ends it)")
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", host, "--port", str(port)]
    sys.exit(subprocess.call(command))


@soundmind.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when dvc.yaml is out of date.")
def dvc(check: bool) -> None:
    """Write dvc.yaml from the Kedro pipelines and catalog."""
    from soundmind_pipeline.dvc_stages import project_document, render
    from soundmind_pipeline.files import atomic_path

    project = find_project()
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

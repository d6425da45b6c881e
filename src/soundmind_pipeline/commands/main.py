"""The ``soundmind`` command: tools beside the pipelines."""

import subprocess
import sys

import click

from soundmind_pipeline import environment
from soundmind_pipeline.commands.audit import audit
from soundmind_pipeline.commands.compare import compare
from soundmind_pipeline.commands.dvc import dvc, record
from soundmind_pipeline.commands.export import export
from soundmind_pipeline.commands.export_model import export_model
from soundmind_pipeline.commands.guard import guarded
from soundmind_pipeline.commands.plan import plan
from soundmind_pipeline.commands.project import find_project
from soundmind_pipeline.commands.reference import reference
from soundmind_pipeline.commands.register import register
from soundmind_pipeline.commands.report import report
from soundmind_pipeline.commands.run import run
from soundmind_pipeline.commands.score import score
from soundmind_pipeline.commands.trace import trace


@click.group(name="soundmind")
def soundmind() -> None:
    """SoundMind: tools beside the pipelines."""


soundmind.add_command(audit)
soundmind.add_command(dvc)
soundmind.add_command(compare)
soundmind.add_command(export)
soundmind.add_command(export_model)
soundmind.add_command(plan)
soundmind.add_command(record)
soundmind.add_command(reference)
soundmind.add_command(run)
soundmind.add_command(register)
soundmind.add_command(report)
soundmind.add_command(score)
soundmind.add_command(trace)


@soundmind.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port to listen on.")
def ui(host: str, port: int) -> None:
    """Open this project's MLflow store in the browser's UI."""
    from soundmind_pipeline.tracking import open_experiment, tracking_uri

    project = find_project()
    uri, (_, experiment) = tracking_uri(project), open_experiment(project)
    # MLflow's front page takes every experiment for one about chat traces, whatever its tags say.
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning"
    if uri.startswith("http"):  # a server has a UI of its own
        click.echo(f"MLflow UI: {uri.rstrip('/')}/{page}")
        return
    click.echo(f"MLflow UI: http://{host}:{port}/{page}\n(store {uri}; Ctrl-C ends it)")
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", host, "--port", str(port)]
    sys.exit(subprocess.call(command))


def main() -> None:
    """Entry point of the ``soundmind`` command."""
    environment.prepare()
    for command in soundmind.commands.values():
        if command.callback:
            command.callback = guarded(command.callback)
    soundmind()

"""What this project replaces in Kedro's command line: ``kedro run`` fails in one message."""

import click
from kedro.framework.cli.project import run as kedro_run

from soundmind_pipeline.commands.guard import guarded


@click.group(name="soundmind-pipeline")
def cli() -> None:
    """Commands that Kedro adds to, or replaces in, its own."""


assert kedro_run.callback is not None
_run = guarded(kedro_run.callback, after_interrupt="The same command goes on from the last checkpoint.")
cli.add_command(click.Command("run", params=kedro_run.params, callback=_run, help="Run pipelines of this project."))

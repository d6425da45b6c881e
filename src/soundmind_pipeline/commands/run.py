"""``soundmind run``: what ``kedro run`` is in a checkout, for an installed package and its own ``conf`` folder."""

import click

PACKAGE = "soundmind_pipeline"


def kedro_run_command() -> click.Command:
    """Kedro's ``run`` with this project's way to fail: in one message, and cleanly on Ctrl-C."""
    from kedro.framework.cli.project import run as kedro_run

    from soundmind_pipeline.commands.guard import guarded

    assert kedro_run.callback is not None
    callback = guarded(kedro_run.callback, after_interrupt="The same command goes on from the last checkpoint.")
    return click.Command("run", params=kedro_run.params, callback=callback, help="Run pipelines of this project.")


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> None:
    """Run pipelines, as `kedro run` does, from an installed package too.

    Without a checkout, name the configuration: `soundmind run --conf-source FOLDER_OR_ARCHIVE --pipeline=rl`. Data,
    models and mlruns appear in the current folder.
    """
    from kedro.framework.project import configure_project

    configure_project(PACKAGE)
    kedro_run_command().main(list(arguments), prog_name="soundmind run", standalone_mode=False)

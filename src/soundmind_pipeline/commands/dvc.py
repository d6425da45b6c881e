"""``soundmind dvc`` and ``soundmind record``: DVC's view of the pipelines, and of what they have built."""

import click

from soundmind_pipeline.commands.project import find_project, load_configuration, write_or_check
from soundmind_pipeline.errors import SoundmindError


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when dvc.yaml is out of date.")
def dvc(check: bool) -> None:
    """Write dvc.yaml from the Kedro pipelines and catalog."""
    from soundmind_pipeline.dvc_stages import project_document, render

    project = find_project()
    written = write_or_check(project / "dvc.yaml", render(project_document(project)), check, "soundmind dvc")
    click.echo(f"dvc.yaml is {'written' if written else 'up to date'}.")


@click.command()
def record() -> None:
    """Tell DVC of stages that `kedro run` has built, so that `dvc repro` does not build them again.

    Takes those that are what code and conf/base would make today; others are named with the reason.
    """
    from kedro.framework.project import configure_project

    from soundmind_pipeline.dvc_record import NOT_BUILT, record_stages
    from soundmind_pipeline.dvc_stages import project_document, render
    from soundmind_pipeline.session import whole_dag

    configure_project("soundmind_pipeline")
    project = find_project()
    write_or_check(project / "dvc.yaml", render(project_document(project)), check=True, command="soundmind dvc")
    recorded, refused = record_stages(project, whole_dag(), load_configuration(project, "base"))
    if recorded:
        click.echo(f"Recorded in dvc.lock: {', '.join(recorded)}.")
    missing = [stage for stage, reason in refused.items() if reason == NOT_BUILT]
    if missing:
        click.echo(f"Not built yet: {', '.join(missing)}; `dvc repro` builds what is missing.")
    wrong = {stage: reason for stage, reason in refused.items() if reason != NOT_BUILT}
    if wrong:
        listed = "\n".join(f"  {stage} {reason}" for stage, reason in wrong.items())
        raise SoundmindError(f"Not recorded:\n{listed}", hint="`dvc repro` builds them anew, from conf/base.")
    if not refused and not recorded:
        click.echo("DVC is up to date.")

"""``soundmind register``: put the trained policy into MLflow's model registry."""

import click

from soundmind_pipeline.commands.project import find_project, load_configuration


@click.command()
@click.option("--env", default="local", show_default=True, help="Kedro environment whose policy to register.")
def register(env: str) -> None:
    """Register the policy after RL, and make it champion if it is better on dev.

    `kedro run` does this after each evaluation; a policy that the registry has is left as it is.
    """
    from kedro.framework.startup import bootstrap_project

    from soundmind_pipeline.hooks.registry import RegistryHooks
    from soundmind_pipeline.session import SoundmindSession

    project = find_project()
    load_configuration(project, env)  # names the environments there are, should this be none
    bootstrap_project(project)
    with SoundmindSession.create(project_path=project, env=env) as session:
        context = session.load_context()  # type: ignore[attr-defined]
        hooks = RegistryHooks()
        hooks.after_context_created(context)
        hooks.register(context.catalog)

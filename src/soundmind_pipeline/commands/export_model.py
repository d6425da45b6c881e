"""``soundmind export-model``: a trained policy for others, with a model card."""

from pathlib import Path

import click

from soundmind_pipeline.commands.project import data_folder, find_project
from soundmind_pipeline.errors import SoundmindError

FOLDERS = {"sft": "sft", "rl": "rl_policy"}


@click.command("export-model")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option("--policy", type=click.Choice(list(FOLDERS)), default="rl", show_default=True, help="After which stage.")
@click.option("--merged", is_flag=True, help="One plain transformers checkpoint, adapters merged in.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), help="Of merged weights. [default: the base's]")
@click.option("--env", default="base", show_default=True, help="Environment of conf/ whose policy is exported.")
@click.option("--force", is_flag=True, help="Replace an earlier export.")
@click.option(
    "--project",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The project. [default: the one around the current folder]",
)
def export_model(
    out: Path, policy: str, merged: bool, dtype: str | None, env: str, force: bool, project: Path | None
) -> None:
    """Export a policy: an adapter for plain PEFT with its base beside it, or one plain transformers checkpoint.

    Writes the weights as safetensors, the processor, and a model card (README.md) with data, settings, metrics, limits
    and provenance. The folder appears when everything in it is written.
    """
    from soundmind_pipeline.commands.model_card import write_model_card
    from soundmind_pipeline.files import atomic_directory
    from soundmind_pipeline.policy.export import export_adapter, export_merged
    from soundmind_pipeline.policy.folder import ModelFolder

    _require_free(out, force)
    project = project or find_project()
    data = data_folder(project, env)
    source = ModelFolder(data / "06_models" / FOLDERS[policy])
    with atomic_directory(out) as temporary:
        if merged or not source.is_adapter:
            export_merged(source, temporary, dtype)
        else:
            export_adapter(source, temporary)
        write_model_card(temporary, project, data, policy)
    kind = "adapter" if ModelFolder(out).is_adapter else "whole model"
    click.echo(f"{policy} policy, {kind} → {out / 'README.md'}")


def _require_free(out: Path, force: bool) -> None:
    """Refuse to write over anything but, with ``force``, an earlier export.

    Raises:
        SoundmindError: ``out`` is a file, or a folder that holds something.
    """
    names = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    is_export = "README.md" in names and bool(names & {"adapter_config.json", "config.json"})
    if (out.exists() and not out.is_dir()) or (names and not (force and is_export)):
        what = "holds something that is no export of this command" if force else "is not empty"
        raise SoundmindError(f"{out}: {what}", "Give a new folder to --out, or --force to replace an earlier export.")

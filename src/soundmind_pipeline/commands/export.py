"""``soundmind export``: the manifest as a data set in the published layout."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.table import Table

from soundmind_pipeline.commands.project import data_folder, find_project
from soundmind_pipeline.errors import SoundmindError

if TYPE_CHECKING:
    import pandas as pd

    from soundmind_pipeline.problems.export.dataset import Layout

MANIFEST: Final = "03_primary/manifest.parquet"


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["folder", "jsonl"]),
    default="folder",
    show_default=True,
    help="<split>/<id>/ with speech, or <split>.jsonl with the annotations alone.",
)
@click.option("--link/--copy", default=True, show_default=True, help="Hard-link the sound files, or copy them.")
@click.option("--force", is_flag=True, help="Replace an earlier export.")
@click.option("--license", "license_id", help="The hub's name of the licence on the card; else that of the sources.")
@click.option("--env", default="base", show_default=True, help="Environment of conf/ whose manifest is exported.")
@click.option("--manifest", type=click.Path(path_type=Path), help="Another manifest.")
@click.option(
    "--project",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="What the manifest's sound files are relative to.  [default: the project around the current folder]",
)
def export(
    out: Path,
    layout: "Layout",
    link: bool,
    force: bool,
    license_id: str | None,
    env: str,
    manifest: Path | None,
    project: Path | None,
) -> None:
    """Export the manifest in SoundMind's published layout.

    Writes annotations, sound files, a dataset card (README.md) and SHA256SUMS. Reading the result back gives the same
    rows. The folder appears when everything in it is written and every sound file has been checked.
    """
    from soundmind_pipeline.problems.export.dataset import export_dataset, require_free

    require_free(out, force)
    project = project or find_project()
    rows = read_manifest(manifest or data_folder(project, env) / MANIFEST)
    clips = export_dataset(rows, project, out, layout, link=link, force=force, license_id=license_id)
    _print_summary(rows, clips, out)


def read_manifest(path: Path) -> "pd.DataFrame":
    """The manifest at ``path``.

    Raises:
        SoundmindError: It is not there, or is no Parquet table.
    """
    import pandas as pd

    if not path.is_file():
        raise SoundmindError(f"{path}: no such manifest", hint="kedro run --pipeline=ingestion makes it.")
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise SoundmindError(f"{path}: is no Parquet table ({error})") from error


def _print_summary(rows: "pd.DataFrame", clips: int, out: Path) -> None:
    from soundmind_pipeline.problems.export.card import split_facts

    table = Table(box=None, pad_edge=False)
    table.add_column("split")
    columns = ("rows", "entailed", "not_entailed", "label_conflicts", "shared_with_other_splits")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right")
    for split, facts in split_facts(rows).items():
        table.add_row(split, *(f"{facts[name]:,}" for name in columns))
    console = Console()
    console.print(table)
    console.print(f"→ {out / 'README.md'}, {clips:,} sound files", highlight=False, markup=False)

"""``soundmind compare``: runs of the MLflow store side by side."""

import json
from pathlib import Path
from typing import Any

import click

from soundmind_pipeline.errors import SoundmindError

DEFAULT_OUT = "data/08_reporting/comparison"


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Also every run with this tag; repeatable.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder for tables and plots.  [default: {DEFAULT_OUT} of the project]",
)
def compare(runs: tuple[str, ...], tags: tuple[str, ...], out: Path | None) -> None:
    """Compare RUNS (ids, beginnings of ids, or names) with the first of them.

    Prints accuracies with 95% intervals, paired differences on the same problems, and the parameters that differ;
    writes them to comparison.json and comparison.csv, and draws accuracy.svg and curves.svg.
    """
    from rich.console import Console

    from soundmind_pipeline.commands.project import find_project
    from soundmind_pipeline.comparison.compare import compare_runs, flat_rows
    from soundmind_pipeline.comparison.figures import draw_accuracies, draw_curves
    from soundmind_pipeline.comparison.runs import fetch, find_runs
    from soundmind_pipeline.comparison.show import show
    from soundmind_pipeline.files import atomic_path
    from soundmind_pipeline.tracking import open_experiment

    project = find_project()
    client, experiment = open_experiment(project)
    facts = [fetch(client, run) for run in find_runs(client, experiment, runs, dict(map(_tag, tags)))]
    comparison = compare_runs(facts)
    files = {
        "comparison.json": json.dumps(comparison, indent=2) + "\n",
        "comparison.csv": flat_rows(comparison).to_csv(index=False),
        "accuracy.svg": draw_accuracies(comparison) if comparison["accuracy"] else None,
        "curves.svg": draw_curves(facts),
    }
    folder = out or project / DEFAULT_OUT
    for name, text in files.items():
        if text is None:
            (folder / name).unlink(missing_ok=True)  # of an earlier comparison
            continue
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    show(Console(), comparison)
    click.echo(f"Written to {out or DEFAULT_OUT}: {', '.join(name for name, text in files.items() if text)}")


def _tag(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise SoundmindError(f"--tag {text}: not KEY=VALUE.", hint="For example --tag soundmind.env=smoke")
    return key, value

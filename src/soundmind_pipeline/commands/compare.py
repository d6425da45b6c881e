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
    default=DEFAULT_OUT,
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for tables and plots.",
)
def compare(runs: tuple[str, ...], tags: tuple[str, ...], out: Path) -> None:
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
    from soundmind_pipeline.files import atomic_directory
    from soundmind_pipeline.tracking import open_experiment

    project = find_project()
    client, experiment = open_experiment(project)
    facts = [fetch(client, run) for run in find_runs(client, experiment, runs, dict(map(_tag, tags)))]
    comparison = compare_runs(facts)
    figures = {
        "accuracy.svg": draw_accuracies(comparison) if comparison["accuracy"] else None,
        "curves.svg": draw_curves(facts),
    }
    folder = project / out
    with atomic_directory(folder) as temporary:
        (temporary / "comparison.json").write_text(json.dumps(comparison, indent=2) + "\n", encoding="utf-8")
        flat_rows(comparison).to_csv(temporary / "comparison.csv", index=False)
        for name, text in figures.items():
            if text is not None:
                (temporary / name).write_text(text, encoding="utf-8")
    show(Console(), comparison)
    click.echo(f"Written to {out}: comparison.json, comparison.csv and plots.")


def _tag(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise SoundmindError(f"--tag {text}: not KEY=VALUE.", hint="For example --tag soundmind.env=smoke")
    return key, value

"""``soundmind trace``: from an artifact, or a figure in it, back to raw data."""

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soundmind_pipeline.errors import SoundmindError

if TYPE_CHECKING:
    from soundmind_pipeline.lineage.chain import Lineage, Link
    from soundmind_pipeline.lineage.staleness import StageChanges

RECORDS = Path("08_reporting") / "stages"
FILE_WIDTH = 160
"""Columns where the output is no terminal."""


@click.command()
@click.argument("what", metavar="FILE[:FIGURE]|DATASET")
@click.option("--env", help="Environment of conf/ to compare with.  [default: the one the artifact was made with]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
def trace(what: str, env: str | None, as_json: bool) -> None:
    """Show what a file, a dataset or a figure was made from, step by step back to raw data.

    For example `soundmind trace data/08_reporting/report.html`, `soundmind trace rl_policy`, and for one figure
    `soundmind trace data/08_reporting/evaluation.json:policies.rl.audio_to_text.accuracy`.
    """
    from rich.console import Console

    from soundmind_pipeline.commands.project import find_project
    from soundmind_pipeline.lineage.chain import Lineage, as_document
    from soundmind_pipeline.lineage.hashes import Hashes
    from soundmind_pipeline.lineage.journal import tool_versions
    from soundmind_pipeline.lineage.show import show_chain, show_verdict, tools_line

    project = find_project()
    name, figure = _split(what)
    data = _data_of(name, project, env)
    hashes = Hashes(project, project / data / RECORDS / ".hashes.json")
    lineage = Lineage(project / data / RECORDS, hashes)
    link = lineage.link(*lineage.find(_relative(name, project)))
    value = _value(project, link, figure) if figure else None
    changes = _changes(lineage, link, hashes, env or (link.origin.env if link.origin else "local"), project)
    hashes.keep()
    changed = {path: lineage.resting_on(path) for one in link for path in _changed_paths(one, hashes)}
    if as_json:
        document = {
            "figure": figure or None,
            "value": value,
            "artifacts": as_document(link),
            "stages": {stage: _stage(change) for stage, change in changes.items()},
            "changed": changed,
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))
        return
    console = Console(width=None if sys.stdout.isatty() else FILE_WIDTH)
    if figure:
        console.print(f"[bold]{figure} = {value}[/bold]", highlight=False, soft_wrap=True)
    show_chain(console, link, changes, lineage.unfinished)
    if link.origin:
        console.print(
            f"Tools: {tools_line(link.origin, tool_versions())}", soft_wrap=True, style="dim", highlight=False
        )
    show_verdict(console, link, changes, changed)


def _split(what: str) -> tuple[str, str]:
    """File or dataset, and the figure after the colon; a file may have one in its name."""
    name, _, figure = what.partition(":")
    return (what, "") if Path(what).exists() else (name, figure)


def _relative(name: str, project: Path) -> str:
    """A path relative to the project; what is no file stays as it is, the name of a dataset too."""
    path = Path(name).absolute()
    is_file = path.exists() and path.is_relative_to(project)
    return path.relative_to(project).as_posix() if is_file else name


def _data_of(name: str, project: Path, env: str | None) -> str:
    """The data folder that an artifact lies in, relative to the project; of a dataset that of the environment."""
    from soundmind_pipeline.commands.project import load_configuration

    path = project / _relative(name, project)
    for folder in path.parents:
        if folder.is_relative_to(project) and (folder / RECORDS).is_dir():
            return folder.relative_to(project).as_posix()
    return str(load_configuration(project, env or "local")["globals"]["data"])


def _value(project: Path, link: "Link", figure: str) -> Any:
    """The figure of that name in a JSON artifact."""
    from soundmind_pipeline.evaluation.keys import look_up

    path = project / (link.content.path or "")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SoundmindError(f"{link.content.path or link.dataset} holds no figures: {error}") from error
    value = look_up(document, figure)
    if value is None:
        above, known = figure.rpartition(".")[0], document
        while above and not isinstance(known := look_up(document, above), dict):
            above = above.rpartition(".")[0]
        known = known if above else document
        where = f"Under {above} are" if above else "It has"
        raise SoundmindError(f"{path.name} has no figure {figure}.", hint=f"{where} {', '.join(map(str, known))}.")
    return value


def _changes(lineage: "Lineage", link: "Link", hashes: Any, env: str, project: Path) -> "dict[str, StageChanges]":
    """How the stages of the chain would be made today."""
    with contextlib.chdir(project):  # where Kedro looks for its logging configuration
        from kedro.framework.project import configure_project

    from soundmind_pipeline.commands.project import load_configuration
    from soundmind_pipeline.lineage.staleness import stage_changes
    from soundmind_pipeline.recipes import stage_recipe
    from soundmind_pipeline.session import parameters_of, whole_dag

    configure_project("soundmind_pipeline")
    configuration, dag = load_configuration(project, env), whole_dag()
    changes = {}
    for stage in dict.fromkeys(one.stage for one in link if one.stage):
        today = stage_recipe(stage, dag.only_nodes_with_tags(stage), configuration, project)
        parameters = parameters_of(stage, configuration["parameters"])
        changes[stage] = stage_changes(lineage.records[stage], today, parameters, hashes)
    return changes


def _changed_paths(link: "Link", hashes: Any) -> list[str]:
    path = link.content.path
    return [path] if path and hashes.of(path) != link.content.hash else []


def _stage(change: "StageChanges") -> dict[str, Any]:
    record = change.record
    return {
        "finished": record.finished,
        "lineage": record.lineage,
        "parameters": record.parameters,
        "origins": {key: vars(origin) for key, origin in record.origins.items()},
        "changed": {
            "parameters": [list(item) for item in change.parameters],
            "code": change.code,
            "other": list(change.configuration),
        },
    }

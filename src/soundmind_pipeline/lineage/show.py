"""The chain of an artifact in the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from soundmind_pipeline.lineage.chain import Link
from soundmind_pipeline.lineage.staleness import StageChanges, first_few
from soundmind_pipeline.stages import STAGES, Origin, StageRecord

CHOSEN = ("seed", "source")
"""Last parts of the parameters that say what was generated, or drawn."""


def show_chain(console: Console, link: Link, changes: Mapping[str, StageChanges], unfinished: Iterable[str]) -> None:
    """Print the chain, each artifact once: the last stage first, raw data at the end.

    Args:
        console: Where to.
        link: The end of the chain.
        changes: Stage → how it would be made today, for each stage of the chain.
        unfinished: Stages that are not complete.
    """
    links = list(link)
    tree = Tree(f"{_sign(link)} [bold]{escape(link.content.path or link.dataset)}[/bold]", guide_style="dim")
    for stage in sorted(changes, key=STAGES.index, reverse=True):
        own = [one for one in links if one.stage == stage]
        branch = tree.add(f"[bold]{stage}[/bold]")
        for origin in _origins(changes[stage].record, own):
            branch.add(f"[cyan]{escape(origin_line(origin))}[/cyan]")
        if chosen := _chosen(changes[stage].record.parameters):
            branch.add(f"[cyan]{escape(chosen)}[/cyan]")
        for problem in _problems(changes[stage], stage in unfinished):
            branch.add(f"[red]✗ {escape(problem)}[/red]")
        for one in (one for one in own if one.content.path):
            leaf = branch.add(_line(one))
            for problem in one.problems:
                leaf.add(f"[red]✗ {escape(problem)}[/red]")
    if raw := [one for one in links if one.stage is None]:
        branch = tree.add("[bold]raw data[/bold]")
        for one in raw:
            branch.add(_line(one))
    console.print(tree, highlight=False)


def show_verdict(
    console: Console, link: Link, changes: Mapping[str, StageChanges], changed: Mapping[str, Sequence[str]]
) -> None:
    """Print what is stale, or that nothing is.

    Args:
        console: Where to.
        link: The chain.
        changes: Stage → how it would be made today.
        changed: Path that is not what it was → what was made from it, here and elsewhere.
    """
    other = [stage for stage, change in changes.items() if _problems(change, False)]
    if not link.stale and not other:
        console.print("[green]Everything is what it was, and would be made alike today.[/green]")
        return
    for path, resting in changed.items():
        rest = f" Made from it: {', '.join(first_few(resting, 'files'))}." if resting else ""
        console.print(f"[red]{escape(path)} is not what it was.[/red]{escape(rest)}", soft_wrap=True, highlight=False)
    if other:
        console.print(f"[red]Would be made otherwise today: {', '.join(other)}.[/red]", highlight=False)
    console.print("`dvc repro` rebuilds what changed, `kedro run --pipelines STAGE` one stage.", highlight=False)


def origin_line(origin: Origin) -> str:
    """Which run made something, on one line."""
    parts = [f"{datetime.fromisoformat(origin.began):%d %b %Y %H:%M}", f"env {origin.env}"]
    if origin.run_name:
        parts.append(f"run {origin.run_id[:8]} “{origin.run_name}”" if origin.run_id else origin.run_name)
    if origin.git_commit:
        parts.append(f"commit {origin.git_commit[:8]}{' and uncommitted changes' if origin.git_dirty else ''}")
    parts.append(f"code {origin.recipe.get('code', 'unknown')[:8]}")
    return " · ".join(parts)


def tools_line(origin: Origin, today: Mapping[str, str]) -> str:
    """The tools of a run, with today's version of those that differ."""
    named = (
        f"{name} {then}" if today.get(name) == then else f"{name} {then} (now {today.get(name, 'not installed')})"
        for name, then in origin.tools.items()
    )
    return ", ".join(named)


def short_hash(value: str | None) -> str:
    """The beginning of a hash, as people compare it."""
    return "nothing" if value is None else value.removesuffix(".dir").rpartition(":")[2][:8]


def _sign(link: Link) -> str:
    return "[red]✗[/red]" if link.problems else "[yellow]![/yellow]" if link.stale else "[green]✓[/green]"


def _line(link: Link) -> str:
    line = f"{_sign(link)} {escape(link.content.path or link.dataset)} [dim]{short_hash(link.content.hash)}[/dim]"
    if link.artifact is None:
        return line
    made_from = [
        *(one.dataset for one in link.files_above()),
        *(f"params:{block}" for block in link.artifact.parameters),
    ]
    return f"{line}  {link.artifact.node.partition('__')[0]} [dim]←[/dim] {', '.join(made_from)}"


def _origins(record: StageRecord, links: Iterable[Link]) -> list[Origin]:
    keys = {link.artifact.origin for link in links if link.artifact}
    return [record.origins[key] for key in sorted(keys) if key in record.origins]


def _problems(change: StageChanges, unfinished: bool) -> list[str]:
    """What is wrong with a stage as a whole; its files are told of one by one."""
    return [
        *(["the stage is not complete"] if unfinished else []),
        *(f"built with {key}={then}, now it is {now}" for key, then, now in change.parameters),
        *(f"its {what} changed since" for what in [*(["code"] if change.code else []), *change.configuration]),
    ]


def _chosen(parameters: Mapping[str, Any]) -> str:
    chosen = {key: value for key, value in sorted(parameters.items()) if key.rpartition(".")[2] in CHOSEN}
    return ", ".join(f"{key}={value}" for key, value in chosen.items() if value is not None)

"""The comparison in the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from soundmind_pipeline.evaluation.style import SETTING_NAMES


def show(console: Console, comparison: Mapping[str, Any]) -> None:
    """Print runs, accuracies, further figures and differing parameters."""
    letters = [_letter(place) for place in range(len(comparison["runs"]))]
    for letter, run in zip(letters, comparison["runs"], strict=True):
        # Rich would take the environment in a name, such as [smoke], for a style.
        name = escape(run["name"])
        stages = f", ran {run['stages'].replace(',', ', ')}" if run.get("stages") else ""
        console.print(
            f"  [bold]{letter}[/bold]  {run['run_id'][:8]}  {name}  [dim]{run['status'].lower()}{stages}[/dim]"
        )
    if comparison["accuracy"]:
        table = _table("accuracy [95%]", letters)
        for setting, cells in comparison["accuracy"].items():
            table.add_row(SETTING_NAMES[setting], *(_cell(cell, cells[0]) for cell in cells))
        console.print(table)
        console.print("  Differences are to A, on the problems that both answered; * where McNemar's p < 0.05.")
    figures = _table("figure", letters)
    for name, values in comparison["metrics"].items():
        figures.add_row(name, *("–" if value is None else f"{value:.3f}" for value in values))
    console.print(figures)
    if not comparison["parameters"]:
        console.print("  The parameters of stages that several of them ran are the same.")
        return
    parameters = _table("parameters that differ", letters)
    for key, texts in comparison["parameters"].items():
        parameters.add_row(key, *("–" if text is None else escape(text[:24]) for text in texts))
    console.print(parameters)


def _letter(place: int) -> str:
    """A, B, … Z, AA, AB, … as spreadsheets name their columns."""
    return (_letter(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)


def _table(title: str, letters: list[str]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column(title, overflow="fold")
    for letter in letters:
        table.add_column(letter, justify="right")
    return table


def _cell(cell: Mapping[str, Any] | None, first: Mapping[str, Any] | None) -> str:
    if cell is None:
        return "–"
    low, high = (100 * value for value in cell["ci95"])
    text = f"{100 * cell['accuracy']:.1f} [{low:.0f}, {high:.0f}]"
    if paired := cell.get("paired"):
        low, high = (100 * value for value in paired["ci95"])
        star = "*" if paired["p"] < 0.05 else ""
        text += f"\n{100 * paired['difference']:+.1f}{star} [{low:+.0f}, {high:+.0f}]"
        if first and not paired["n"] == first["n"] == cell["n"]:
            text += f"\non {paired['n']} in common"
    elif "paired" in cell:
        text += "\nother problems"
    return text

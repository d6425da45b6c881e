"""The table at the end of a run: what was reached, before and after RL."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from soundmind_pipeline.evaluation.metrics import AFTER, BEFORE
from soundmind_pipeline.evaluation.style import SETTING_NAMES


def summary_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Rows ``(figure, after SFT, after RL, change)`` of the final table.

    Args:
        evaluation: The content of ``evaluation.json``.

    Returns:
        Accuracy with its 95% interval, reward and format-valid rate of each setting; the change of accuracy carries
        its paired 95% interval.
    """
    rows: list[tuple[str, str, str, str]] = []
    for setting, name in SETTING_NAMES.items():
        before, after = (evaluation["policies"].get(policy, {}).get(setting) for policy in (BEFORE, AFTER))
        if not before or not after:
            continue
        paired = evaluation["paired"].get(setting) or {}
        change = f"{100 * paired['difference']:+.1f} {_points(paired['ci95'])}" if paired else ""
        rows.append((f"{name} accuracy", _with_interval(before), _with_interval(after), change))
        old, new = before["reward"], after["reward"]
        rows.append((f"{name} reward", f"{old:.2f}", f"{new:.2f}", f"{new - old:+.2f}"))
        old, new = before["format_valid"], after["format_valid"]
        rows.append((f"{name} format valid", percent(old), percent(new), f"{100 * (new - old):+.1f}"))
    return rows


def reference_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows ``(figure, value)`` that an accuracy is to be read against: controls, shortcuts, label prior."""
    rows = [(f"RL policy on {name} audio", percent(cell["accuracy"])) for name, cell in evaluation["controls"].items()]
    best = best_shortcut(evaluation)
    if best:
        rows.append((f"best shortcut ({best[0].replace('_', ' ')})", percent(best[1])))
    rows.append(("label prior", percent(evaluation["label_prior"])))
    return rows


def best_shortcut(evaluation: Mapping[str, Any]) -> tuple[str, float] | None:
    """Name and held-out accuracy of the strongest shortcut classifier, None where none was measured."""
    shortcuts: Mapping[str, float] = evaluation["shortcuts"]
    return max(shortcuts.items(), key=lambda item: item[1]) if shortcuts else None


def print_summary(console: Console, evaluation: Mapping[str, Any], places: Mapping[str, str]) -> None:
    """Print the final table.

    Args:
        console: Where to.
        evaluation: The content of ``evaluation.json``, with ``seconds`` filled in.
        places: What is where: name → path or address.
    """
    table = Table(box=SIMPLE_HEAD, title=f"Held-out problems: {_problem_count(evaluation)}", title_justify="left")
    table.add_column("")
    for heading in ("after SFT", "after RL", "change [95%]"):
        table.add_column(heading, justify="right")
    for row in summary_rows(evaluation):
        table.add_row(*row, style="bold" if row[0].endswith("accuracy") else None)
    console.print(table)
    lines = Table.grid(padding=(0, 2))
    for name, value in reference_rows(evaluation):
        lines.add_row(f"  {name}", value)
    if evaluation["seconds"]:
        spent = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in evaluation["seconds"].items())
        lines.add_row("  time", f"{spent}; together {duration(sum(evaluation['seconds'].values()))}")
    for name, place in places.items():
        lines.add_row(f"  {name}", place)
    console.print(lines)


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f}%"


def duration(seconds: float) -> str:
    """Seconds as ``8 s`` or ``2 min 05 s``."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def _with_interval(cell: Mapping[str, Any]) -> str:
    return f"{percent(cell['accuracy'])} {_points(cell['ci95'], sign=False)}"


def _points(interval: list[float], sign: bool = True) -> str:
    # Whole points: the table has to fit a terminal of 80 columns, and the report has the decimals.
    low, high = (100 * value for value in interval)
    return f"[{low:+.0f}, {high:+.0f}]" if sign else f"[{low:.0f}, {high:.0f}]"


def _problem_count(evaluation: Mapping[str, Any]) -> int:
    return max(cell["n"] for settings in evaluation["policies"].values() for cell in settings.values())

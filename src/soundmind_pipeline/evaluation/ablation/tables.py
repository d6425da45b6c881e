"""The ablation as tables: for spreadsheets and for the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from soundmind_pipeline.evaluation.number_tables import MISSING, show

VERDICTS = {True: "reproduces", False: "does not reproduce", None: "undecided"}
"""What a finding's ``reproduces`` says, in words."""


def long_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """One row an arm, seed and setting, and one for the mean over seeds (``seed`` = ``mean``).

    Returns:
        Columns arm, algorithm, seed, setting, accuracy, low, high (Wilson's bounds, of means Student's; empty for the
        mean of one seed), n, format_valid, reward, paper.
    """
    rows: list[dict[str, Any]] = []
    for name, arm in results["arms"].items():
        for seed, cells in [*arm["seeds"].items(), ("mean", arm["mean"])]:
            for setting in arm["mean"]:
                cell = cells[setting]
                low, high = cell["ci95"] or (None, None)
                paper = arm["paper"] if setting == "audio_to_text" else None
                rows.append(
                    {
                        "arm": name, "algorithm": arm["algorithm"], "seed": seed, "setting": setting,
                        "accuracy": cell["accuracy"], "low": low, "high": high, "n": results["problems"],
                        "format_valid": cell["format_valid"], "reward": cell["reward"], "paper": paper,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def summary_rows(results: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Rows ``(arm, paper, heard, against full, read)``, the SFT policy first."""
    start = results["start"]
    rows = [("SFT policy", start["paper"], start["audio_to_text"], None, start["text_to_text"])]
    for arm in results["arms"].values():
        mean = arm["mean"]
        rows.append((arm["label"], arm["paper"], mean["audio_to_text"], arm["against_full"], mean["text_to_text"]))
    return [
        (label, show(paper, "share"), _with_interval(heard), _difference(against), show(read["accuracy"], "share"))
        for label, paper, heard, against, read in rows
    ]


def print_summary(console: Console, results: Mapping[str, Any], places: Sequence[Path]) -> None:
    """Print the ablation with the paper's column, its four findings, and where the files are.

    Args:
        console: Where to.
        results: The content of ``ablation.json``.
        places: The files.
    """
    seeds = max(len(arm["seeds"]) for arm in results["arms"].values())
    title = f"Ablation: {results['problems']} held-out problems, {seeds} seed{'s' if seeds > 1 else ''}"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("accuracy", no_wrap=True)
    for heading in ("paper", "heard [95%]", "against full", "read"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in summary_rows(results):
        table.add_row(row[0].partition(" (")[0], *row[1:])  # the weights would not fit 80 columns
    console.print(table)
    for finding in results["findings"]:
        console.print(f"  {finding['claim']}: {VERDICTS[finding['reproduces']]}. {finding['why']}", highlight=False)
    for place in places:
        console.print(f"  {place}", highlight=False)


def _with_interval(cell: Mapping[str, Any]) -> str:
    interval = f" {show(cell['ci95'], 'interval', 0)}" if cell["ci95"] else ""
    return show(cell["accuracy"], "share") + interval


def _difference(against: Mapping[str, Any] | None) -> str:
    if against is None:
        return MISSING
    return f"{show(against['difference'], 'points')} {show(against['ci95'], 'change_interval', 0)}"

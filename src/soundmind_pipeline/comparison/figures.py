"""The comparison as pictures: accuracies with intervals, and the learning curves of all runs on one pair of axes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from soundmind_pipeline.comparison.runs import CURVES, RunFacts
from soundmind_pipeline.evaluation.style import ACCENTS, SETTING_NAMES, figure, tidy, to_svg


def colours(count: int) -> list[str]:
    """One colour a run; they repeat after the fifth."""
    return [ACCENTS[place % len(ACCENTS)] for place in range(count)]


def draw_accuracies(comparison: Mapping[str, Any]) -> str:
    """Accuracy of each run in each setting with its Wilson interval: the text of an SVG file."""
    settings, runs = list(comparison["accuracy"]), comparison["runs"]
    with figure(max(5.6, 1.2 * len(settings) * len(runs) ** 0.5 + 2), 3.4) as (drawn, axes):
        width = 0.8 / len(runs)
        for place, (run, colour) in enumerate(zip(runs, colours(len(runs)), strict=True)):
            cells = [comparison["accuracy"][setting][place] for setting in settings]
            kept = [(at, cell) for at, cell in enumerate(cells) if cell]
            x = np.array([at for at, _ in kept]) + (place - (len(runs) - 1) / 2) * width
            heights = np.array([cell["accuracy"] for _, cell in kept])
            whiskers = np.abs(np.array([cell["ci95"] for _, cell in kept]).reshape(-1, 2).T - heights)
            axes.bar(
                x, heights, width * 0.9, yerr=whiskers, color=colour, label=run["name"], error_kw={"elinewidth": 1}
            )
        axes.set_xticks(range(len(settings)), [SETTING_NAMES[name] for name in settings])
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
        drawn.legend(loc="outside lower center", ncols=2)
        tidy(axes, "Held-out accuracy with 95% intervals")
        return to_svg(drawn)


def draw_curves(runs: Sequence[RunFacts]) -> str | None:
    """Reward, accuracy and KL of all runs over the steps: the text of an SVG file; None where no run trained."""
    names = [name for name in CURVES if any(run.curves.get(name) for run in runs)]
    if not names:
        return None
    with figure(3.6 * len(names), 3.2, ncols=len(names), squeeze=False) as (drawn, grid):
        for axes, name in zip(grid.flat, names, strict=True):
            for run, colour in zip(runs, colours(len(runs)), strict=True):
                if points := sorted(run.curves.get(name, [])):
                    axes.plot(*zip(*points, strict=True), color=colour, label=run.name)
            tidy(axes, name, "step")
        handles, labels = grid.flat[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=2)
        return to_svg(drawn)

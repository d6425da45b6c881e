"""The figures of the report, each as the text of an SVG file."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.style import (
    ACCENTS,
    COLOURS,
    INSIDE,
    POLICY_NAMES,
    SETTING_NAMES,
    figure,
    tidy,
    to_svg,
)
from soundmind_pipeline.problems.verified.families import FALLACIES, VALID_FORMS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Panel(NamedTuple):
    """One panel of the learning curves."""

    title: str
    columns: tuple[str, ...]
    """Columns of the history; those that are absent are left out, and so is a panel without any."""
    share: bool = False
    """Whether it is a share, measured now and then; all else is noisy, a faint line behind its running mean."""


SFT_PANELS: Final = (
    Panel("Warm-up: loss", ("sft/loss",)),
    Panel("Warm-up: CTC loss", ("sft/ctc",)),
)
RL_PANELS: Final = (
    Panel("RL: reward", ("reward/total",)),
    Panel("RL: reward terms", ("reward/answer", "reward/format_text", "reward/length_text")),
    Panel("RL: accuracy on dev", ("eval/dev/audio_to_text/accuracy", "eval/dev/text_to_text/accuracy"), share=True),
    Panel("RL: KL to the SFT policy", ("policy/kl",)),
    Panel("RL: entropy", ("policy/entropy",)),
    Panel("RL: answer length (tokens)", ("rollout/length",)),
)


def draw_learning_curves(sft_history: pd.DataFrame, rl_history: pd.DataFrame) -> str:
    """What went on during warm-up and RL, one small panel a quantity.

    Args:
        sft_history: One row a step, column ``step`` and metric columns such as ``sft/loss``.
        rl_history: The same of RL, with ``reward/total``, ``policy/kl`` …

    Returns:
        The text of an SVG file.
    """
    panels = [(sft_history, panel) for panel in SFT_PANELS] + [(rl_history, panel) for panel in RL_PANELS]
    panels = [(table, panel) for table, panel in panels if any(_has(table, name) for name in panel.columns)]
    rows = max(1, -(-len(panels) // 4))
    with figure(11, 2.5 * rows, nrows=rows, ncols=4, squeeze=False) as (drawn, grid):
        for axes, (table, panel) in zip(grid.flat, panels, strict=False):
            _draw_panel(axes, table, panel)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        return to_svg(drawn)


def _has(table: pd.DataFrame, column: str) -> bool:
    return column in table.columns and bool(table[column].notna().any())


def _draw_panel(axes: "Axes", table: pd.DataFrame, panel: Panel) -> None:
    """One line a column; noisy ones as their running mean over a faint trace."""
    columns = [name for name in panel.columns if _has(table, name)]
    for colour, name in zip(ACCENTS, columns, strict=False):
        points = table[["step", name]].dropna()
        window = 1 if panel.share else max(1, len(points) // 15)
        smooth = points[name].rolling(window, min_periods=1, center=True).mean()
        if window > 1:
            axes.plot(points["step"], points[name], color=colour, alpha=0.25, linewidth=0.8)
        marker = "o" if panel.share else ""
        axes.plot(points["step"], smooth, color=colour, label=_series_name(name), marker=marker, markersize=3)
    if len(columns) > 1:
        axes.legend(loc="best", handlelength=1.2, labelspacing=0.2)
    axes.margins(x=0.02)
    axes.locator_params(nbins=5)
    if panel.share:
        percent_axis(axes)
    tidy(axes, panel.title, "step")


def _series_name(column: str) -> str:
    parts = column.split("/")
    return SETTING_NAMES.get(parts[-2], parts[-1].replace("_", " "))


def draw_accuracy(evaluation: Mapping[str, Any]) -> str:
    """Accuracy of both policies with 95% intervals, against the best shortcut and the label prior."""
    settings = [name for name in SETTING_NAMES if any(name in figures for figures in evaluation["policies"].values())]
    with figure(max(5.6, 1.9 * len(settings)), 3.3) as (drawn, axes):
        for offset, (policy, figures) in zip((-0.18, 0.18), evaluation["policies"].items(), strict=False):
            cells = [figures.get(setting) for setting in settings]
            draw_bars(axes, np.arange(len(settings)) + offset, cells, policy, width=0.33, labels=True)
        lines = [("label prior", evaluation["label_prior"], ":")]
        if evaluation["shortcuts"]:
            best = max(evaluation["shortcuts"], key=evaluation["shortcuts"].get)
            lines.append((f"best shortcut: {best.replace('_', ' ')}", evaluation["shortcuts"][best], "--"))
        for label, value, style in lines:
            axes.axhline(value, color=ACCENTS[1], linestyle=style, linewidth=1.2, label=label)
        axes.set_xticks(range(len(settings)), [SETTING_NAMES[name] for name in settings])
        percent_axis(axes)
        drawn.legend(
            loc="outside lower center", ncols=2 if len(settings) < 4 else 4, handlelength=1.4, columnspacing=1.4
        )
        tidy(axes, "Held-out accuracy")
        return to_svg(drawn)


def draw_forms(evaluation: Mapping[str, Any], setting: str = "audio_to_text") -> str:
    """Accuracy by problem form before and after RL, valid forms first."""
    tables = {policy: figures[setting]["by_form"] for policy, figures in evaluation["policies"].items()}
    forms = order_forms({form for table in tables.values() for form in table})
    with figure(max(5.6, 1.2 * len(forms)), 3.3) as (drawn, axes):
        for offset, (policy, table) in zip((-0.2, 0.2), tables.items(), strict=False):
            draw_bars(axes, np.arange(len(forms)) + offset, [table.get(form) for form in forms], policy, width=0.37)
        valid = sum(form in VALID_FORMS for form in forms)
        if 0 < valid < len(forms):
            axes.axvline(valid - 0.5, color=ACCENTS[1], linewidth=1, linestyle=":")
            for place, text in ((0, "valid"), (valid, "fallacies")):
                axes.annotate(text, (place - 0.45, 1.02), xycoords=("data", "axes fraction"), fontsize=8)
        axes.set_xticks(range(len(forms)), forms)
        percent_axis(axes)
        drawn.legend(loc="outside lower center", ncols=2, handlelength=1.4)
        tidy(axes, f"By form, {SETTING_NAMES[setting]}\n")
        return to_svg(drawn)


def order_forms(forms: set[str]) -> list[str]:
    """Valid forms, then fallacies, each in textbook order; forms of other sources last, by name."""
    known = [form for form in (*VALID_FORMS, *FALLACIES) if form in forms]
    return known + sorted(forms - set(known))


def draw_bars(
    axes: "Axes", places: np.ndarray, cells: list[Any], policy: str, width: float, labels: bool = False
) -> None:
    """Bars of accuracy with the Wilson interval as whiskers; a missing cell leaves a gap."""
    kept = [(place, cell) for place, cell in zip(places, cells, strict=True) if cell and cell["n"]]
    x = [place for place, _ in kept]
    heights = np.array([cell["accuracy"] for _, cell in kept])
    whiskers = np.abs(np.array([cell["ci95"] for _, cell in kept]).reshape(-1, 2).T - heights)
    bars = axes.bar(
        x, heights, width, yerr=whiskers, color=COLOURS.get(policy, ACCENTS[2]), label=POLICY_NAMES.get(policy, policy),
        error_kw={"elinewidth": 1, "capsize": 2, "ecolor": axes.spines["left"].get_edgecolor()},
    )  # fmt: skip
    if labels:
        texts = [f"{height:.1%}" if height > 0.08 else "" for height in heights]  # a flat bar has no room for it
        axes.bar_label(
            bars, texts, label_type="center", color=INSIDE.get(policy, "white"), fontsize=8, fontweight="bold"
        )


def percent_axis(axes: "Axes") -> None:
    """Shares from 0 to 1, as percentages."""
    axes.set_ylim(0, 1.02)  # a line along 100% keeps its width
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0], ["0%", "25%", "50%", "75%", "100%"])

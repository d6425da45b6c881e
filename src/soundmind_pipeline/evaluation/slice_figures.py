"""Figures that look into the results: controls, slices of the problems, answer length, rewards, sampled answers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.figures import (
    draw_accuracy,
    draw_bars,
    draw_forms,
    draw_learning_curves,
    percent_axis,
)
from soundmind_pipeline.evaluation.marking import REWARD_TERMS
from soundmind_pipeline.evaluation.metrics import AFTER, BEFORE
from soundmind_pipeline.evaluation.style import (
    ACCENTS,
    COLOURS,
    CONTROL_NAMES,
    NOISE_CONTROLS,
    POLICY_NAMES,
    SETTING_NAMES,
    figure,
    tidy,
    to_svg,
)
from soundmind_pipeline.evaluation.summaries import accuracy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POLICIES: Final = (BEFORE, AFTER)
LENGTH_BINS: Final = 6
CLEAN: Final = 30  # where the curve over dB shows audio without noise


def figure_files(
    evaluation: Mapping[str, Any], predictions: pd.DataFrame, sft_history: pd.DataFrame, rl_history: pd.DataFrame
) -> dict[str, bytes]:
    """The folder ``figures``: every figure for which there is something to draw.

    Args:
        evaluation: The content of ``evaluation.json``.
        predictions: The predictions table.
        sft_history: One row a step of the warm-up.
        rl_history: One row a step of RL.

    Returns:
        File name, such as ``accuracy.svg`` → content.
    """
    drawn = {
        "learning_curves": draw_learning_curves(sft_history, rl_history),
        "accuracy": draw_accuracy(evaluation),
        "forms": draw_forms(evaluation),
        "controls": draw_controls(evaluation),
        "slices": draw_slices(evaluation),
        "lengths": draw_lengths(predictions),
        "rewards": draw_rewards(evaluation),
        "sampled": draw_sampled(evaluation),
    }
    return {f"{name}.svg": text.encode() for name, text in drawn.items() if text is not None}


def draw_controls(evaluation: Mapping[str, Any]) -> str | None:
    """Accuracy of the final policy with something done to its audio, and over the loudness of noise.

    Returns:
        The text of an SVG file; None without controls.
    """
    controls = evaluation["controls"]
    if not controls:
        return None
    names = [name for name in CONTROL_NAMES if name in controls]
    noise = [name for name in NOISE_CONTROLS if name in controls]
    columns = 2 if noise else 1
    height = 0.6 + 0.34 * max(6, len(names) + 1)
    with figure(5.5 * columns, height, ncols=columns, squeeze=False) as (drawn, grid):
        _draw_control_bars(grid[0, 0], evaluation, names)
        if noise:
            _draw_noise(grid[0, 1], evaluation, noise)
        return to_svg(drawn)


def _draw_control_bars(axes: "Axes", evaluation: Mapping[str, Any], names: Sequence[str]) -> None:
    """The right audio, and below it each control, with 95% intervals."""
    cells = [evaluation["policies"][AFTER]["audio_to_text"], *(evaluation["controls"][name] for name in names)]
    heights = np.array([cell["accuracy"] for cell in cells])
    whiskers = np.abs(np.array([cell["ci95"] for cell in cells]).T - heights)
    places = np.arange(len(cells))[::-1]
    axes.barh(
        places, heights, 0.66, xerr=whiskers, color=[COLOURS[AFTER], *[COLOURS[BEFORE]] * len(names)],
        error_kw={"elinewidth": 1, "capsize": 2, "ecolor": axes.spines["left"].get_edgecolor()},
    )  # fmt: skip
    axes.set_yticks(places, ["the right audio", *(CONTROL_NAMES[name] for name in names)])
    axes.grid(False, axis="y")
    axes.grid(True, axis="x")
    prior = evaluation["label_prior"]
    axes.axvline(prior, color=ACCENTS[1], linestyle=":", linewidth=1.2)
    axes.annotate("label prior", (prior, 1), xycoords=("data", "axes fraction"), fontsize=7)
    axes.set_xlim(0, 1.02)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0%", "25%", "50%", "75%", "100%"])
    tidy(axes, "After RL, audio → text: what is heard\n")


def _draw_noise(axes: "Axes", evaluation: Mapping[str, Any], noise: Sequence[str]) -> None:
    """Accuracy over the signal-to-noise ratio, from clean audio down."""
    cells = [evaluation["policies"][AFTER]["audio_to_text"], *(evaluation["controls"][name] for name in noise)]
    decibels = [CLEAN, *(NOISE_CONTROLS[name] for name in noise)]
    _draw_line(axes, decibels, cells, COLOURS[AFTER], "after RL")
    silence = evaluation["controls"].get("silence")
    if silence:
        axes.axhline(silence["accuracy"], color=COLOURS[BEFORE], linestyle="--", linewidth=1.2, label="silence")
    axes.axhline(evaluation["label_prior"], color=ACCENTS[1], linestyle=":", linewidth=1.2, label="label prior")
    axes.invert_xaxis()
    axes.set_xticks(decibels, ["clean", *(f"{NOISE_CONTROLS[name]} dB" for name in noise)])
    percent_axis(axes)
    axes.legend(loc="lower left", handlelength=1.6)
    tidy(axes, "Accuracy over the signal-to-noise ratio\n")


def _draw_line(
    axes: "Axes", places: Sequence[float], cells: Sequence[Mapping[str, Any]], colour: str, label: str
) -> None:
    """A line through accuracies, its 95% intervals as a band."""
    heights = [cell["accuracy"] for cell in cells]
    low, high = zip(*(cell["ci95"] for cell in cells), strict=True)
    axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(places, heights, color=colour, marker="o", markersize=4, label=label)


def draw_slices(evaluation: Mapping[str, Any], setting: str = "audio_to_text") -> str | None:
    """Accuracy of both policies by duration of the question and by difficulty of the problem.

    Returns:
        The text of an SVG file; None where neither is known.
    """
    panels = [("by_duration", "By duration of the question"), ("by_difficulty", "By difficulty")]
    tables = {
        key: {policy: figures.get(setting, {}).get(key) or {} for policy, figures in evaluation["policies"].items()}
        for key, _ in panels
    }
    panels = [(key, title) for key, title in panels if any(tables[key].values())]
    if not panels:
        return None
    with figure(5.6 * len(panels), 3.3, ncols=len(panels), squeeze=False) as (drawn, grid):
        for axes, (key, title) in zip(grid[0], panels, strict=True):
            slices = natural_order({name for table in tables[key].values() for name in table})
            for offset, policy in zip((-0.2, 0.2), POLICIES, strict=True):
                cells = [tables[key].get(policy, {}).get(name) for name in slices]
                draw_bars(axes, np.arange(len(slices)) + offset, cells, policy, width=0.37)
            axes.set_xticks(range(len(slices)), slices)
            percent_axis(axes)
            tidy(axes, f"{title}, {SETTING_NAMES[setting]}")
        drawn.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, handlelength=1.4)
        return to_svg(drawn)


def natural_order(names: Iterable[str]) -> list[str]:
    """Labels of slices by the number that they begin with, whatever order a file gives them in."""

    def rank(name: str) -> tuple[float, str]:
        number = re.match(r"[<>≤≥\s]*(\d+(?:\.\d+)?)", name)
        return (float(number.group(1)) if number else float("inf"), name)

    return sorted(names, key=rank)


def draw_lengths(predictions: pd.DataFrame) -> str | None:
    """Does length say anything about correctness? Accuracy in bins of answers of like length, with 95% intervals.

    Returns:
        The text of an SVG file; None without an answer of either policy.
    """
    rows = predictions[(predictions["control"] == "none") & predictions["policy"].isin(POLICIES)]
    settings = [name for name in ("audio_to_text", "text_to_text") if (rows["setting"] == name).any()]
    if not settings:
        return None
    with figure(5.6 * len(settings), 3.3, ncols=len(settings), squeeze=False) as (drawn, grid):
        for axes, setting in zip(grid[0], settings, strict=True):
            for policy in POLICIES:
                answers = rows[(rows["policy"] == policy) & (rows["setting"] == setting)]
                if len(answers):
                    bins = length_bins(answers["tokens"])
                    cells = [accuracy(group["right"]) for _, group in answers.groupby(bins)]
                    places = answers["tokens"].groupby(bins).mean().tolist()
                    _draw_line(axes, places, cells, COLOURS[policy], POLICY_NAMES[policy])
            percent_axis(axes)
            tidy(axes, SETTING_NAMES[setting], "tokens of the answer")
        drawn.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, handlelength=1.4)
        return to_svg(drawn)


def length_bins(tokens: pd.Series) -> pd.Series:
    """The number of each answer's bin: bins of about equally many answers, equal lengths always in one bin."""
    inner = np.unique(np.quantile(tokens, np.linspace(0, 1, LENGTH_BINS + 1)[1:-1], method="lower"))
    return pd.Series(np.searchsorted(inner, tokens), index=tokens.index)


def draw_rewards(evaluation: Mapping[str, Any]) -> str:
    """What the mean reward is made of, before and after RL, in each setting; a penalty hangs below zero."""
    settings = [name for name in SETTING_NAMES if all(name in evaluation["policies"].get(p, {}) for p in POLICIES)]
    settings = settings or list(evaluation["policies"].get(AFTER, {}))
    places, names, terms = [], [], []
    for i, setting in enumerate(settings):
        for offset, policy in zip((-0.2, 0.2), POLICIES, strict=True):
            if setting in evaluation["policies"].get(policy, {}):
                places.append(i + offset)
                names.append(policy.upper())
                terms.append(evaluation["policies"][policy][setting]["reward_terms"])
    with figure(max(5.6, 1.9 * len(settings)), 3.3) as (drawn, axes):
        above, below = np.zeros(len(places)), np.zeros(len(places))
        colours = dict(zip(REWARD_TERMS, (*ACCENTS, COLOURS[BEFORE]), strict=True))
        for term in REWARD_TERMS:
            heights = np.array([cell[term] for cell in terms])
            if not heights.any():
                continue
            bottom = np.where(heights < 0, below, above)
            axes.bar(places, heights, 0.34, bottom, color=colours[term], label=term.replace("_", " "))
            above, below = above + heights.clip(min=0), below + heights.clip(max=0)
        for place, name, top, total in zip(places, names, above, above + below, strict=True):
            axes.annotate(f"{name}\n{total:.2f}", (place, top), ha="center", va="bottom", fontsize=7)
        axes.set_xticks(range(len(settings)), [SETTING_NAMES[name] for name in settings])
        axes.margins(y=0.15)
        axes.set_xlim(-0.5, len(settings) - 0.5)  # without a reward there are no bars to go by
        if above.any() or below.any():
            drawn.legend(loc="outside lower center", ncols=6, handlelength=1.2, columnspacing=1.2)
        tidy(axes, "Mean reward, by term")
        return to_svg(drawn)


def draw_sampled(evaluation: Mapping[str, Any]) -> str | None:
    """How often one of k sampled answers is right (pass@k), and their majority (majority@k), with 95% intervals.

    Returns:
        The text of an SVG file; None where no answers were sampled.
    """
    sampled: Mapping[str, Any] = evaluation.get("sampled") or {}
    settings = [name for name in SETTING_NAMES if any(name in figures for figures in sampled.values())]
    if not settings:
        return None
    with figure(5.6 * len(settings), 3.3, ncols=len(settings), squeeze=False, sharey=True) as (drawn, grid):
        for axes, setting in zip(grid[0], settings, strict=True):
            for policy in (name for name in POLICIES if setting in sampled.get(name, {})):
                for key, style, label in (("pass_at", "-", "pass@k"), ("majority_at", "--", "majority@k")):
                    _draw_sampled(axes, sampled[policy][setting][key], policy, style, label)
            percent_axis(axes)
            axes.set_xscale("log", base=2)
            counts = sampled_counts(sampled)
            axes.set_xticks(counts, [str(k) for k in counts], minor=False)
            tidy(axes, SETTING_NAMES[setting], "k answers")
        drawn.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, handlelength=2)
        return to_svg(drawn)


def sampled_counts(sampled: Mapping[str, Any]) -> list[int]:
    """Every k for which any policy has a figure, ascending."""
    curves = [
        curve
        for settings in sampled.values()
        for cell in settings.values()
        for curve in (cell["pass_at"], cell["majority_at"])
    ]
    return sorted({int(k) for curve in curves for k in curve})


def _draw_sampled(axes: "Axes", curve: Mapping[str, Any], policy: str, style: str, label: str) -> None:
    counts = sorted(curve, key=int)
    cells = [curve[k] for k in counts]
    places = [int(k) for k in counts]
    low, high = zip(*(cell["ci95"] for cell in cells), strict=True)
    axes.fill_between(places, low, high, color=COLOURS[policy], alpha=0.12, linewidth=0)
    axes.plot(
        places, [cell["value"] for cell in cells], style, color=COLOURS[policy], marker="o", markersize=3,
        label=f"{label}, {POLICY_NAMES[policy]}",
    )  # fmt: skip

"""The figure of the ablation: what each arm reaches, beside the paper's column."""

from collections.abc import Mapping
from typing import Any

from soundmind_pipeline.evaluation.style import ACCENTS, COLOURS, figure, tidy, to_svg


def draw_arms(results: Mapping[str, Any], setting: str = "audio_to_text") -> str:
    """One row an arm: mean over seeds with its 95% interval, a dot a seed, and the paper's number below.

    Args:
        results: The content of ``ablation.json``.
        setting: Which accuracies.

    Returns:
        The text of an SVG file.
    """
    arms = list(results["arms"].values())
    with figure(7.2, 1.3 + 0.62 * len(arms)) as (drawn, axes):
        for place, arm in enumerate(arms):
            _draw_arm(axes, place, arm, setting)
        start = results["start"][setting]["accuracy"]
        axes.axvline(start, color=ACCENTS[1], linestyle="--", linewidth=1.2, label="SFT policy, where RL starts")
        axes.set_yticks(range(len(arms)), [arm["label"] for arm in arms])
        axes.set_ylim(len(arms) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0%", "25%", "50%", "75%", "100%"])
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
        handles, labels = axes.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        drawn.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=3, handlelength=1.4)
        tidy(axes, "Held-out accuracy, audio → text")
        return to_svg(drawn)


def _draw_arm(axes: Any, place: int, arm: Mapping[str, Any], setting: str) -> None:
    """Bar, whiskers and dots of one arm; the paper's bar below, where there is one."""
    mean = arm["mean"][setting]
    axes.barh(place - 0.16, mean["accuracy"], 0.34, color=COLOURS["rl"], label="this run")
    if mean["ci95"]:
        # An interval of a mean over few seeds may leave what an accuracy can be.
        low, high = (min(1.0, max(0.0, bound)) for bound in mean["ci95"])
        ink = axes.spines["left"].get_edgecolor()
        axes.errorbar(
            mean["accuracy"], place - 0.16, xerr=[[mean["accuracy"] - low], [high - mean["accuracy"]]],
            color=ink, elinewidth=1, capsize=2, linestyle="none",
        )  # fmt: skip
    seeds = [cells[setting]["accuracy"] for cells in arm["seeds"].values()]
    axes.plot(seeds, [place - 0.16] * len(seeds), "o", color="white", markersize=3.5, markeredgecolor=COLOURS["rl"])
    if arm["paper"] is not None:
        axes.barh(place + 0.18, arm["paper"], 0.24, color=COLOURS["sft"], label="paper, Qwen2.5-Omni-7B")

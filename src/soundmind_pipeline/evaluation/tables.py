"""The table at the end of a run: what was reached, before and after RL."""

from collections.abc import Mapping
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from soundmind_pipeline.evaluation.metrics import AFTER, BEFORE
from soundmind_pipeline.evaluation.style import CONTROL_NAMES, NOISE_CONTROLS, SETTING_NAMES

DETAILED: Final = ("audio_to_text", "text_to_text")
"""Settings whose reward and format stand in the table too."""
ALTERED: Final = ("shuffled", "other_voice", "slower", "faster")


def summary_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Rows ``(figure, after SFT, after RL, change)`` of the final table.

    Args:
        evaluation: The content of ``evaluation.json``.

    Returns:
        A row a setting, its accuracy with the 95% interval, and below it, indented: reward and format-valid rate of
        the two settings with one kind of question, what is heard of spoken answers and their word error rate. The
        change of accuracy carries its paired 95% interval.
    """
    rows: list[tuple[str, str, str, str]] = []
    for setting, name in SETTING_NAMES.items():
        before, after = (evaluation["policies"].get(policy, {}).get(setting) for policy in (BEFORE, AFTER))
        if not before or not after:
            continue
        paired = evaluation["paired"].get(setting) or {}
        change = f"{100 * paired['difference']:+.1f} {_points(paired['ci95'])}" if paired else ""
        rows.append((name, _with_interval(before), _with_interval(after), change))
        if setting in DETAILED:
            old, new = before["reward"], after["reward"]
            rows.append(("  reward", f"{old:.2f}", f"{new:.2f}", f"{new - old:+.2f}"))
            rows.append(_share_row("  format valid", before["format_valid"], after["format_valid"]))
        if before.get("spoken") and after.get("spoken"):
            rows += _spoken_rows(before["spoken"], after["spoken"])
    return rows


def _spoken_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """What a listener gets of answers that were spoken."""
    old, new = before["accuracy_heard"], after["accuracy_heard"]
    change = _share_row("", old["accuracy"], new["accuracy"])[-1]
    return [
        ("  heard", _with_interval(old), _with_interval(new), change),
        _share_row("  word error rate", before["wer"], after["wer"]),
    ]


def _share_row(name: str, old: float | None, new: float | None) -> tuple[str, str, str, str]:
    change = "" if old is None or new is None else f"{100 * (new - old):+.1f}"
    return name, percent(old), percent(new), change


def reference_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows ``(figure, value)`` that an accuracy is to be read against: does it listen, and what do others reach?"""
    controls = evaluation["controls"]
    rows = []
    if evaluation["audio_grounding_gap"] is not None:
        interval = (evaluation.get("audio_grounding") or {}).get("ci95")
        gap = f"{100 * evaluation['audio_grounding_gap']:+.1f}{' ' + _points(interval) if interval else ''}"
        rows.append(("audio grounding gap", f"{gap}; on silence {percent(controls['silence']['accuracy'])}"))
    for name, group in (("after RL, hearing", ALTERED), ("after RL, in noise", NOISE_CONTROLS)):
        heard = [f"{_control_name(key)} {percent(controls[key]['accuracy'])}" for key in group if key in controls]
        if heard:
            rows.append((name, ", ".join(heard)))
    rows += _sampled_rows(evaluation)
    baselines = [
        f"{name} {percent(settings['audio_to_text']['accuracy'])}"
        for name, settings in (evaluation.get("baselines") or {}).items()
        if "audio_to_text" in settings and not name.startswith("shortcut")
    ]
    if baselines:
        rows.append(("baselines, from audio", ", ".join(baselines)))
    best = best_shortcut(evaluation)
    if best:
        rows.append(("best shortcut", f"{percent(best[1])} ({best[0].replace('_', ' ')})"))
    rows.append(("label prior", percent(evaluation["label_prior"])))
    return rows


def _control_name(control: str) -> str:
    return f"{NOISE_CONTROLS[control]} dB" if control in NOISE_CONTROLS else CONTROL_NAMES[control]


def _sampled_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """pass@k and majority@k from audio, for the largest k."""
    cell = (evaluation.get("sampled") or {}).get(AFTER, {}).get("audio_to_text")
    if not cell:
        return []
    shown = []
    for key, name in (("pass_at", "pass"), ("majority_at", "majority")):
        k = max(cell[key], key=int)
        shown.append(f"{name}@{k} {percent(cell[key][k]['value'])}")
    return [("after RL, sampled", ", ".join(shown))]


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
    table = Table(box=SIMPLE_HEAD, title=_title(evaluation), title_justify="left")
    table.add_column("")
    for heading in ("after SFT", "after RL", "change [95%]"):
        table.add_column(heading, justify="right")
    for row in summary_rows(evaluation):
        table.add_row(*row, style=None if row[0].startswith(" ") else "bold")
    console.print(table)
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True)
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


def _title(evaluation: Mapping[str, Any]) -> str:
    cells = [(name, cell["n"]) for settings in evaluation["policies"].values() for name, cell in settings.items()]
    spoken = max((n for name, n in cells if name.endswith("_to_audio")), default=0)
    title = f"Held-out problems: {max(n for _, n in cells)}"
    return f"{title}, {spoken} of them answered aloud" if spoken else title

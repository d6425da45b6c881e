"""What the paper concludes from its table 7, and whether a run of the ablation shows the same."""

from collections.abc import Mapping
from typing import Any, Final

from soundmind_pipeline.evaluation.paper import ABLATION

PARTS: Final = {"no_answer": "answer reward", "no_text": "text rewards", "no_audio": "audio rewards"}
"""Row of table 7 → what it leaves out."""
BEST: Final = "The full reward is best"
_CEILING: Final = 0.98
_NEED_SPEECH: Final = ("no_text", "no_audio")


def judge(arms: Mapping[str, Mapping[str, Any]], rows: Mapping[str, str], start: float) -> list[dict[str, Any]]:
    """The paper's four findings, each with a verdict.

    A finding about a part of the reward reproduces if accuracy without it is lower, with a 95% interval (over problems
    and seeds) below 0. It does not if the interval leaves out a loss as large as the paper's. Otherwise these runs
    cannot decide; nor can a single seed, or runs in which RL gains nothing under the full reward. The full reward is
    best if all three reproduce; it is not if any of them does not.

    Args:
        arms: The arms of ``ablation.json``.
        rows: Row of table 7 → name of the arm that repeats it.
        start: Accuracy of the SFT policy.

    Returns:
        ``claim``, ``paper`` and ``ours`` (differences of accuracy), ``reproduces`` (true, false, or None for undecided)
        and ``why``, a sentence; empty for runs that leave out no part, such as those that compare algorithms.
    """
    if not PARTS.keys() & rows.keys():
        return []
    parts = {row: _part(row, arms, rows, start) for row in PARTS}
    return [*parts.values(), _best(parts)]


def _part(row: str, arms: Mapping[str, Mapping[str, Any]], rows: Mapping[str, str], start: float) -> dict[str, Any]:
    """Full reward against the reward without one part."""
    paper = ABLATION[row][1].accuracy - ABLATION["full"][1].accuracy
    claim = f"The {PARTS[row]} {'matters' if row == 'no_answer' else 'matter'}"
    found: dict[str, Any] = {"claim": claim, "paper": round(paper, 4), "ours": None, "reproduces": None}
    arm = arms.get(rows.get(row, ""))
    if arm is None or not arm["against_full"] or "full" not in rows:
        return found | {"why": "This run has not both arms, the full reward and the reward without that part."}
    full = arms[rows["full"]]
    ours, (low, high) = arm["against_full"]["difference"], arm["against_full"]["ci95"]
    found["ours"] = ours
    if row in _NEED_SPEECH and not full["spoken"]:
        return found | {"why": "Rollouts were not spoken, so the audio rewards were never paid (rl.spoken.enabled)."}
    if len(full["seeds"]) < 2:
        return found | {"why": "One seed says nothing of what another would have given."}
    reached = full["mean"]["audio_to_text"]["accuracy"]
    if reached <= start:
        return found | {"why": "RL gained nothing under the full reward, so no part of it can be seen to matter."}
    measured = f"{_points(ours)} points against the full reward, 95% interval {_points(low)} to {_points(high)}"
    size = f"the paper's {_points(paper)}"
    if high < 0:
        return found | {"reproduces": True, "why": f"{measured}: below 0 ({size})."}
    if low > paper:
        beside = "above 0" if low > 0 else "0 is inside"
        why = f"{measured}: {beside}, and {size} is outside."
        if reached >= _CEILING:
            why += f" But the full reward reaches {100 * reached:.1f}% here, a ceiling under which an effect can hide."
        return found | {"reproduces": False, "why": why}
    return found | {"why": f"{measured}: both 0 and {size} are inside, these runs cannot tell."}


def _best(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Whether every part is needed."""
    losses = [-part["ours"] for part in parts.values() if part["ours"] is not None]
    found: dict[str, Any] = {
        "claim": BEST,
        "paper": round(ABLATION["full"][1].accuracy - max(ABLATION[row][1].accuracy for row in PARTS), 4),
        "ours": min(losses) + 0.0 if len(losses) == len(PARTS) else None,  # -0.0 is no figure to show
    }
    without, unknown = ([PARTS[row] for row, part in parts.items() if part["reproduces"] is it] for it in (False, None))
    if without:
        return found | {"reproduces": False, "why": f"The {' and the '.join(without)} can be left out without a loss."}
    if unknown:
        return found | {"reproduces": None, "why": f"Undecided for the {' and the '.join(unknown)}."}
    return found | {"reproduces": True, "why": "Every part that is left out costs accuracy."}


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"

"""Signs that a run has derailed."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.training.params import RlParams

logger = logging.getLogger(__name__)

Row = Mapping[str, Any]


def check(history: Sequence[Row], params: RlParams) -> None:
    """Look at the newest round in the light of those before it.

    A guard speaks once, in the round in which its sign has stood for `patience` rounds in a row. It is a function of
    the history alone, so a resumed run warns as an uninterrupted one does.

    Args:
        history: One row of metrics a round, the newest last.
        params: `guards` sets bounds and what to do; tied groups only matter to algorithms that compare within groups.

    Raises:
        SoundmindError: A figure of the newest round is no number, or a guard speaks and `action` is `stop`.
    """
    newest, guards = history[-1], params.guards
    for name in ("reward/total", "policy/loss", "policy/grad_norm"):
        if not math.isfinite(newest.get(name, 0.0)):
            raise SoundmindError(f"RL step {newest['step']}: {name} is {newest[name]}.", "Lower rl.schedule.lr.")
    best = max((row["reward/total"] for row in history), default=0.0)
    signs: list[tuple[Callable[[Row], bool], str]] = [
        (
            lambda row: row.get("policy/kl", 0.0) > guards.max_kl,
            f"the policy has left the SFT policy: policy/kl is above {guards.max_kl} nats a token",
        ),
        (
            lambda row: best > 0 and row["reward/total"] < guards.min_reward_share * best,
            f"the reward has collapsed: reward/total is below {guards.min_reward_share:.0%} of its best, {best:.3g}",
        ),
        (
            lambda row: params.algorithm.needs_groups and row["rollout/tied_groups"] > guards.max_tied_groups,
            "almost no prompt has samples that differ in reward, so there is next to nothing to learn from",
        ),
    ]
    for shows, message in signs:
        if _streak(history, shows) == guards.patience:
            text = f"RL step {newest['step']}: {message} (for {guards.patience} steps)."
            if guards.action == "stop":
                raise SoundmindError(
                    text, "Lower rl.schedule.lr or raise rl.algorithm.kl_beta; rl.guards has the bounds."
                )
            logger.warning(text)


def _streak(history: Sequence[Row], shows: Callable[[Row], bool]) -> int:
    count = 0
    for row in reversed(history):
        if not shows(row):
            break
        count += 1
    return count

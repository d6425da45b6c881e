"""Whether a new version is better than the champion: both have answered the same dev problems."""

import hashlib
from dataclasses import dataclass

import pandas as pd

from soundmind_pipeline.evaluation.statistics import paired_difference

BOOTSTRAP_SAMPLES = 10_000


@dataclass(frozen=True)
class Decision:
    """What becomes of the alias ``champion``."""

    promote: bool
    """Whether the new version gets it."""
    why: str
    """The reason, as a sentence's second half."""


def problem_digests(samples: pd.DataFrame) -> pd.Series:
    """What identifies each problem with its sound: 16 hex digits from the clip's checksum, the text and the label."""
    columns = samples[["question_sha256", "user_content", "label"]].astype(str)
    return columns.apply(lambda row: hashlib.sha256("\n".join(row).encode()).hexdigest()[:16], axis=1)


def decide(candidate: pd.DataFrame | None, champion: pd.DataFrame | None, significance: float) -> Decision:
    """Compare a new version with the champion by an exact McNemar test.

    Args:
        candidate: Dev answers of the new version, one row a problem: ``problem`` (as :func:`problem_digests` gives it)
            and ``right``. None: it has answered none.
        champion: The same of the champion.
        significance: Largest p value that counts.
    """
    if candidate is None:
        return Decision(False, "there are no dev problems to compare it on")
    if champion is None:
        return Decision(False, "the champion has no dev answers to compare with")
    # A problem that stands in dev twice is answered twice alike.
    before, after = (table.drop_duplicates("problem").set_index("problem")["right"] for table in (champion, candidate))
    if set(before.index) != set(after.index):
        common = len(set(before.index) & set(after.index))
        return Decision(
            False,
            f"the champion answered other dev problems ({common} of its {len(before)} are among these {len(after)})",
        )
    paired = paired_difference(
        before.sort_index().to_numpy(), after.sort_index().to_numpy(), BOOTSTRAP_SAMPLES, seed=0, confidence=0.95
    )
    found = (
        f"{100 * paired.difference:+.1f} points on {paired.n} dev problems "
        f"[{100 * paired.low:+.1f}, {100 * paired.high:+.1f}], p = {paired.p:.3g}"
    )
    better = paired.difference > 0 and paired.p < significance
    return Decision(better, found if better else f"{found}: not significantly better")

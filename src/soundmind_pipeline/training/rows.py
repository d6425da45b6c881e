"""Which rows of the feature index a training stage learns from."""

import logging

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.selection import excluded_rows
from soundmind_pipeline.training.params import TrainingParams

logger = logging.getLogger(__name__)


def training_rows(index: pd.DataFrame, params: TrainingParams, imitates: bool) -> pd.DataFrame:
    """The feature index without the train rows that are left out; logs how many and why.

    Args:
        index: The feature index, all splits. Rows of other splits stay.
        params: `exclude_label_conflicts` and `exclude_leaks`.
        imitates: Whether the reference answers are learnt: those without a verdict are then always left out.

    Returns:
        `index` itself where nothing is left out.

    Raises:
        SoundmindError: No train row is left.
    """
    marked = excluded_rows(index, "train", params.exclude_label_conflicts, params.exclude_leaks)
    if imitates:
        marked["reference without a verdict"] = (index["split"] == "train") & index["reference_verdict"].isna()
    left_out = pd.Series(False, index=index.index)
    for rows in marked.values():
        left_out |= rows
    if not left_out.any():
        return index
    total = int((index["split"] == "train").sum())
    reasons = ", ".join(f"{rows.sum()} {reason}" for reason, rows in marked.items() if rows.any())
    logger.info("%d of %d train rows left out: %s.", left_out.sum(), total, reasons)
    if left_out.sum() == total:
        hint = "Switch exclude_label_conflicts or exclude_leaks off, or train on other data."
        raise SoundmindError(f"No train row is left: {reasons}.", hint)
    return index[~left_out].reset_index(drop=True)

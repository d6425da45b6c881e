"""Predictions of another run, to compare this one with."""

from pathlib import Path
from typing import Final

import pandas as pd

from soundmind_pipeline.errors import SoundmindError

NEEDED: Final = ("policy", "setting", "control", "uid", "label", "right")


def read_other_run(path: Path | str, predictions: pd.DataFrame) -> pd.DataFrame:
    """The predictions table of another run on the same problems.

    Args:
        path: Its predictions.parquet.
        predictions: This run's.

    Raises:
        SoundmindError: There is no such table, columns are missing, it shares no problem with this run, or a problem
            has another label there, hence is another problem under the same uid.
    """
    try:
        other = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise SoundmindError(
            f"evaluation.compare_with: cannot read {path} ({error}).",
            hint="Name the predictions.parquet of another run, relative to the project, or null.",
        ) from error
    missing = [column for column in NEEDED if column not in other]
    if missing:
        raise SoundmindError(f"evaluation.compare_with: {path} has no column {missing[0]!r}: no table of predictions.")
    labels = pd.concat(
        [table.drop_duplicates("uid").set_index("uid")["label"] for table in (predictions, other)], axis=1
    )
    labels = labels.dropna()
    if labels.empty:
        raise SoundmindError(f"evaluation.compare_with: {path} answers none of this run's problems.")
    differing = labels.index[labels.iloc[:, 0] != labels.iloc[:, 1]]
    if len(differing):
        raise SoundmindError(
            f"evaluation.compare_with: {path} gives {differing[0]} another label: it is of other problems.",
            hint="Runs can only be compared that were evaluated on the same data.",
        )
    return other

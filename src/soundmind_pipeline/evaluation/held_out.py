"""Which problems a policy is examined on."""

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.problems.selection import excluded_rows, is_leaked


def held_out(index: pd.DataFrame, params: EvaluationParams) -> pd.DataFrame:
    """The problems to answer, in the order of the index.

    Args:
        index: The feature index, all splits.
        params: Split, exclusions and number of problems.

    Returns:
        Their rows of ``index``, with the column ``leaked``: whether the leak group stands in another split too.

    Raises:
        SoundmindError: There are none.
    """
    chosen = index["split"] == params.split
    if not chosen.any():
        raise SoundmindError(
            f"evaluation.split: there are no problems in the split {params.split!r}.",
            hint="Give the split problems in conf/base/parameters_ingestion.yml, or choose the other split.",
        )
    for rows in _marked(index, params).values():
        chosen &= ~rows
    if not chosen.any():
        raise SoundmindError(
            f"evaluation.exclude_label_conflicts and exclude_leaks leave no problem of the split {params.split!r}.",
            hint="Switch one of them off; accuracy without such problems is reported in any case.",
        )
    samples = index[chosen].assign(leaked=is_leaked(index)[chosen])
    return samples.head(params.max_problems or len(samples))


def left_out(index: pd.DataFrame, params: EvaluationParams) -> dict[str, int]:
    """How many problems of the split are left out, by reason; a problem may have two."""
    return {reason: int(rows.sum()) for reason, rows in _marked(index, params).items()}


def _marked(index: pd.DataFrame, params: EvaluationParams) -> dict[str, pd.Series]:
    return excluded_rows(index, params.split, params.exclude_label_conflicts, params.exclude_leaks)

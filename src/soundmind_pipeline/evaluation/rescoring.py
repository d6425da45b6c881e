"""Marking saved answers again, without the model that gave them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.marking import REWARD_TERMS, SAMPLE_COLUMNS, marks
from soundmind_pipeline.evaluation.spoken.columns import SPOKEN_COLUMNS
from soundmind_pipeline.problems.schema import is_null

if TYPE_CHECKING:
    from soundmind_pipeline.rewards.scorer import Scorer

MARKED: Final = (
    "reference_tokens",
    "reasoning_tokens",
    "verdict",
    "reason",
    "right",
    "right_lenient",
    "format_valid",
    "reward",
    *(f"reward_{term}" for term in REWARD_TERMS),
)
"""Columns that the scorer decides on."""
CHECKED: Final = ("restated", "reasoning_valid", "reasoning_correct")
"""Columns that a problem's logical form decides on; null rows stay null, as where another question was put."""
_NEEDED: Final = ("policy", "setting", "control", *SAMPLE_COLUMNS, "response", *MARKED, *CHECKED)

MISHEARD: Final = "closing_misheard"


def rescore(predictions: pd.DataFrame, samples: pd.DataFrame, scorer: "Scorer") -> pd.DataFrame:
    """Mark every saved answer again.

    With the scorer that marked them first, the table comes back as it is; with another one (other weights, another
    style) it is what the evaluation would have given, since answers do not depend on how they are marked. Spoken
    answers are judged anew by what was heard of them, and earn their speech again.

    Args:
        predictions: The predictions table, or the table of sampled predictions.
        samples: The feature index, or other rows with the reference and the problem of each uid.
        scorer: How to mark.

    Returns:
        A table like ``predictions``: :data:`MARKED`, :data:`CHECKED` and the judged columns of spoken answers computed
        anew; rows without a written answer (the majority's, a classifier's) as they are.

    Raises:
        SoundmindError: The table lacks a column, or a problem is missing among ``samples`` or has another label there,
            hence is another problem under the same uid.
    """
    lacking = [column for column in _NEEDED if column not in predictions]
    if lacking:
        raise SoundmindError(
            f"The answers have no column {lacking[0]!r}: another table, or one of an earlier version.",
            hint="Answer the problems again: kedro run --pipeline=evaluation",
        )
    records = samples.set_index("uid", drop=False).to_dict("index")
    hint = "Score predictions with the feature index of the run that made them."
    missing = [uid for uid in predictions["uid"].unique() if uid not in records]
    if missing:
        raise SoundmindError(f"{len(missing)} answered problems are not in the samples, first {missing[0]}.", hint)
    labels = predictions["uid"].map(samples.set_index("uid")["label"])
    other = predictions.loc[labels != predictions["label"], "uid"]
    if len(other):
        raise SoundmindError(f"The samples give {other.iloc[0]} another label: it is another problem there.", hint)
    rows = [_marked(row, records[row["uid"]], scorer) for row in predictions.to_dict("records")]
    columns = [column for column in (*MARKED, *CHECKED, *SPOKEN_COLUMNS) if column in predictions]
    again = pd.DataFrame([{column: row[column] for column in columns} for row in rows], index=predictions.index)
    return predictions.assign(**{name: _of_type(again[name], predictions[name]) for name in columns})


def _of_type(values: pd.Series, saved: pd.Series) -> pd.Series:
    """The values in the type of the saved column; one that held nothing has no type to keep."""
    return values.astype(saved.dtype) if saved.notna().any() or values.isna().all() else values


def _marked(row: Mapping[Any, Any], record: Mapping[Any, Any], scorer: "Scorer") -> Mapping[Any, Any]:
    """The row with its marks."""
    if is_null(row["response"]):
        return row
    judged = _judged(row, record) if str(row["setting"]).endswith("_to_audio") else {}
    row = {**row, **judged}
    # Defective speech earns nothing.
    seconds = row["spoken_speech_seconds"] if judged and is_null(row["spoken_defect"]) else None
    reference = row["reference_speech_seconds"] if judged else None
    marked = marks(record, row["response"], scorer, seconds, reference)
    return row | marked | {name: None for name in CHECKED if is_null(row[name])}


def _judged(row: Mapping[Any, Any], record: Mapping[Any, Any]) -> dict[str, Any]:
    """What a listener got of a spoken answer, from its transcripts."""
    from soundmind_pipeline.evaluation.spoken.judging import Transcript, judge
    from soundmind_pipeline.evaluation.spoken.speaking import SpokenClip
    from soundmind_pipeline.speech.spoken_form import spoken_form

    # Of the defects, the judge finds this one; voice activity found the others.
    defect = None if is_null(row["spoken_defect"]) or row["spoken_defect"] == MISHEARD else row["spoken_defect"]
    clip = SpokenClip(None, row["spoken_seconds"], row["spoken_speech_seconds"], defect)
    heard = [Transcript(row["recogniser"], row["transcript"])]
    if not is_null(row["second_recogniser"]):
        heard.append(Transcript(row["second_recogniser"], row["second_transcript"]))
    return judge(spoken_form(row["response"]), clip, heard, int(record["label"]))

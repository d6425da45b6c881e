"""Facts about several columns or rows as columns of their own, named ``derived_…``.

An expectation looks at one column or compares two; whether a leak group stands in two splits, or a label agrees with
a verdict, must stand in a column before it can be expected.
"""

import numbers
from collections.abc import Iterator

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.schema import CLIP_FIELDS, SAMPLE_DTYPES, SPEECH_TOLERANCE
from soundmind_pipeline.problems.selection import splits_of_group

GROUP_COLUMNS = ("leak_group", "user_content", "question_sha256")
"""What must not stand in two splits: related rows, the same question, the same recording."""

SPOKEN_TEXT = {"question": "user_content", "answer": "reference_answer"}
"""The column that a clip speaks."""

_KINDS: dict[str, type] = {"str": str, "float64": numbers.Real}

_STATED = r"</think>\s*Answer: (entailed|not entailed)\.?\s*$"


def with_own_types(manifest: pd.DataFrame) -> pd.DataFrame:
    """A copy of ``manifest`` whose texts and measures have their own types, not ``object``: as a table of nulls may.

    Raises:
        SoundmindError: A column holds something else; names it, the value and its row.
    """
    frame = manifest.copy()
    for name in (name for name in frame.columns if frame[name].dtype == object):
        wanted = SAMPLE_DTYPES.get(str(name), "")
        if wanted not in _KINDS:
            continue
        kind = _KINDS[wanted]
        wrong = frame[name].notna() & ~frame[name].map(lambda value, kind=kind: isinstance(value, kind))
        if wrong.any():
            place = wrong.idxmax()
            uid = frame.at[place, "uid"] if "uid" in frame else place
            raise SoundmindError(f"The manifest's column {name} holds {frame.at[place, name]!r} ({uid}), not {wanted}.")
        frame[name] = frame[name].astype(pd.api.types.pandas_dtype(wanted))
    return frame


def with_derived_columns(manifest: pd.DataFrame) -> pd.DataFrame:
    """A copy of ``manifest`` with its derived columns; where a column is absent, so is what is derived from it."""
    return manifest.assign(**dict(_derive(manifest)))


def _derive(frame: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    columns = set(frame.columns)
    if {"split", "id"} <= columns:
        yield "derived_uid", frame["split"] + "/" + frame["id"]
    if {"label", "reference_verdict"} <= columns:
        verdict = frame["reference_verdict"]
        # A reference without a verdict contradicts no label.
        yield "derived_label_conflict", verdict.notna() & ((verdict == "entailed") != (frame["label"] == 1))
    if {"reference_answer", "reference_verdict"} <= columns:
        stated = frame["reference_answer"].str.extract(_STATED)[0].fillna("none")
        yield "derived_stated_verdict", stated.where(frame["reference_verdict"].notna())
    for column in GROUP_COLUMNS:
        if {column, "split"} <= columns:
            yield f"derived_splits_of_{column}", splits_of_group(frame, column)
    if {f"answer_{field}" for field in CLIP_FIELDS} <= columns:
        yield "derived_answer_fields", frame[[f"answer_{field}" for field in CLIP_FIELDS]].notna().sum(axis=1)
    for side, text in SPOKEN_TEXT.items():
        if {text, f"{side}_seconds"} <= columns:
            words = frame[text].map(_spoken_words, na_action="ignore").astype("float64")
            yield f"derived_{side}_words_per_second", words / frame[f"{side}_seconds"]
        if {f"{side}_speech_seconds", f"{side}_seconds"} <= columns:
            longest = frame[f"{side}_seconds"] + SPEECH_TOLERANCE
            yield f"derived_{side}_speech_share", frame[f"{side}_speech_seconds"] / longest


def _spoken_words(text: str) -> int:
    """Words of a text without its tags, which nobody speaks."""
    return len(text.replace("<think>", " ").replace("</think>", " ").split())

"""Defects that no clip shows by itself: a duration that does not fit its text, and one sound under two texts."""

import re
from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.speech.audio import Defect
from soundmind_pipeline.speech.scan import ScanParams

_WORD: Final = re.compile(r"\w+")
_SHORT_TEXT_WORDS: Final = 3
"""Texts up to this long may take any time: pauses around them outweigh them."""


def with_cross_defects(clips: pd.DataFrame, texts: Sequence[str], params: ScanParams) -> pd.DataFrame:
    """A copy of a clip table in which usable clips that do not fit their text, or each other, have a defect too.

    Args:
        clips: Columns ``uid``, ``side``, ``seconds``, ``samples_sha256``, ``defect``, ``detail``.
        texts: What is said in each clip, in the order of ``clips``.
        params: Bounds of the speaking rate.

    Returns:
        The table, its ``defect`` and ``detail`` filled in for a ``wrong duration`` and for a ``shared sound``: two
        clips of the same samples whose texts differ (which of them is wrong nobody can tell; where the texts agree,
        nothing is wrong with the sound).
    """
    words = [_WORD.findall(text.casefold()) for text in texts]
    rows: list[dict[str, Any]] = [{str(name): value for name, value in row.items()} for row in clips.to_dict("records")]
    others = _other_texts(rows, words)
    found: list[tuple[str | None, str | None]] = []
    for number, row in enumerate(rows):
        if isinstance(row["defect"], str):
            found.append((row["defect"], row["detail"]))
        elif other := others.get(number):
            found.append(("shared sound", f"the same samples as {other}, whose text is another"))
        else:
            found.append(_pace_defect(len(words[number]), row["seconds"], params) or (None, None))
    columns = dict(zip(("defect", "detail"), zip(*found, strict=True), strict=True)) if found else {}
    return clips.assign(**{name: pd.Series(values, index=clips.index, dtype="str") for name, values in columns.items()})


def _other_texts(rows: Sequence[dict[str, Any]], words: Sequence[Sequence[str]]) -> dict[int, str]:
    """For each clip whose samples another text has too: the name of that other clip."""
    by_sound: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        if isinstance(row["samples_sha256"], str):
            by_sound.setdefault(row["samples_sha256"], []).append(number)
    others = {}
    for places in by_sound.values():
        for place in places:
            differing = next((rows[other] for other in places if words[other] != words[place]), None)
            if differing:
                others[place] = f"the {differing['side']} of {differing['uid']}"
    return others


def _pace_defect(words: int, seconds: float, params: ScanParams) -> tuple[Defect, str] | None:
    pace = words / seconds
    if words > _SHORT_TEXT_WORDS and not params.min_words_per_second <= pace <= params.max_words_per_second:
        bounds = f"{params.min_words_per_second:g} to {params.max_words_per_second:g}"
        return "wrong duration", f"{words} words in {seconds:.2f} s are {pace:.2g} a second, plausible are {bounds}"
    return None

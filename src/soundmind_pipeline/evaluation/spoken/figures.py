"""The figures of spoken answers, from their rows of the predictions table alone."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.statistics import wilson_interval


def spoken_figures(rows: pd.DataFrame) -> dict[str, Any]:
    """What a listener got of one policy's answers in one setting.

    Args:
        rows: Spoken rows (``columns.SPOKEN_COLUMNS``) of one policy and setting.

    Returns:
        ``wer`` and ``cer``, pooled over all words and characters, with ``words``, ``substitutions``, ``deletions`` and
        ``insertions``; ``accuracy_heard`` (``accuracy``, ``n``, Wilson ``ci95``): right verdicts in the transcripts;
        ``heard_as_written``: share of the well-formed answers whose heard verdict is the written one, with
        ``heard_as_written_ci95`` (Wilson), and ``heard_as_written_lenient``; ``not_well_spoken``: share with a defect,
        and ``defects`` (counts); ``speech_seconds``, the mean by voice activity; ``second``: ``wer`` and
        ``heard_as_written`` of the second recogniser, None without one; ``speaker`` and ``recogniser``, short names.
        None where there is nothing to count.
    """
    formed = rows[rows["verdict"].notna()]
    substitutions, deletions, insertions = (
        _sum(rows[f"word_{kind}"]) for kind in ("substitutions", "deletions", "insertions")
    )
    words = _sum(rows["words"])
    hits, answers = int(rows["right_heard"].astype(bool).sum()), len(rows)
    same = formed["verdict_heard"] == formed["verdict"]
    defects = rows["spoken_defect"].dropna()
    return {
        "wer": _rate(substitutions + deletions + insertions, words),
        "cer": _rate(_sum(rows["character_errors"]), _sum(rows["characters"])),
        "words": words,
        "substitutions": substitutions,
        "deletions": deletions,
        "insertions": insertions,
        "accuracy_heard": {"accuracy": _rate(hits, answers), "n": answers, "ci95": _interval(hits, answers)},
        "heard_as_written": _rate(int(same.sum()), len(formed)),
        "heard_as_written_ci95": _interval(int(same.sum()), len(formed)),
        "heard_as_written_lenient": _rate(
            int((formed["verdict_heard_lenient"] == formed["verdict"]).sum()), len(formed)
        ),
        "not_well_spoken": _rate(len(defects), answers),
        "defects": {str(defect): int(count) for defect, count in defects.value_counts().items()},
        "speech_seconds": float(rows["spoken_speech_seconds"].astype(float).mean()) if answers else None,
        "second": _second(rows, formed),
        "speaker": _short(rows["speaker"], ("engine", "voice")),
        "recogniser": _short(rows["recogniser"], ("recogniser", "model")),
    }


def _second(rows: pd.DataFrame, formed: pd.DataFrame) -> dict[str, Any] | None:
    if rows["second_recogniser"].isna().all():
        return None
    same = formed["second_verdict_heard"] == formed["verdict"]
    return {
        "recogniser": _short(rows["second_recogniser"], ("recogniser", "model")),
        "wer": _rate(_sum(rows["second_word_errors"]), _sum(rows["second_words"])),
        "heard_as_written": _rate(int(same.sum()), len(formed)),
    }


def _sum(values: pd.Series) -> int:
    return int(np.asarray(values, dtype=float).sum())


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _interval(hits: int, n: int) -> list[float] | None:
    return list(wilson_interval(hits, n)) if n else None


def _short(described: Iterable[str], keys: tuple[str, ...]) -> str | None:
    """The names in the JSON of the first row: ``Piper (piper-tts 1.8.0), en_US-joe-medium``."""
    first = next(iter(described), None)
    if first is None:
        return None
    facts = json.loads(first)
    return ", ".join(str(facts[key]) for key in keys if key in facts)

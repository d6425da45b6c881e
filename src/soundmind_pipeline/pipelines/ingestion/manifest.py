"""Problems and their speech joined into the sample table; rows that cannot be used are set aside with their reason."""

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.problems.schema import SAMPLE_COLUMNS, SAMPLE_DTYPES, validate_row
from soundmind_pipeline.speech.audio import AudioError
from soundmind_pipeline.speech.audio_folder import AudioFolder
from soundmind_pipeline.speech.espeak import SAMPLE_RATE, engine_name

logger = logging.getLogger(__name__)

QUARANTINE_COLUMNS: Final = ("uid", "place", "reason", "row")


def join_speech(problems: pd.DataFrame, plan: pd.DataFrame, speech: AudioFolder) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The sample table, and the rows that may not enter it.

    Every clip is read once: its length, checksum and defects are facts about the file, not about the intention.

    Args:
        problems: Text columns of the sample table.
        plan: How each question was meant to be spoken.
        speech: The clips.

    Returns:
        The manifest (columns of ``problems.schema.SAMPLE_COLUMNS``), and the quarantine table: ``uid``, ``place`` (the
        sound file, or the source and row), ``reason``, and the whole ``row`` as JSON.
    """
    plans = {row.pop("uid"): row for row in _records(plan)}
    good: list[dict[str, Any]] = []
    bad: list[dict[str, str]] = []
    for number, row in enumerate(_records(problems)):
        sample = dict(row)
        uid = str(sample.get("uid"))
        place = f"{_source(sample)}, row {number}"
        try:
            sample |= _clip_columns(uid, speech)
            sample["provenance"] = _with_speech(sample["provenance"], plans[uid])
            reasons = validate_row(sample)
        except AudioError as error:
            place, reasons = speech.recorded_path(uid), [f"question_audio: {error.defect}: {error.detail}"]
        except (SoundmindError, ValueError, KeyError) as error:
            reasons = [*validate_row(row), f"{type(error).__name__}: {error}"]
        if reasons:
            bad.append(
                {"uid": uid, "place": place, "reason": "; ".join(reasons), "row": json.dumps(sample, default=str)}
            )
        else:
            good.append(sample)
    manifest = pd.DataFrame(good, columns=list(SAMPLE_COLUMNS)).astype(SAMPLE_DTYPES)
    return manifest, pd.DataFrame(bad, columns=list(QUARANTINE_COLUMNS)).astype("str")


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _clip_columns(uid: str, speech: AudioFolder) -> dict[str, Any]:
    """The audio columns of one row; the answer is not spoken by this source."""
    wave = speech[uid]
    return {
        "question_audio": speech.recorded_path(uid),
        "question_sha256": sha256_of(speech.path(uid)),
        "question_seconds": len(wave) / SAMPLE_RATE,
        "answer_audio": None,
        "answer_sha256": None,
        "answer_seconds": None,
    }


def _with_speech(provenance: str, plan: Mapping[str, Any]) -> str:
    spoken = {name: plan[name] for name in ("voice", "words_per_minute", "pitch")}
    return json.dumps({**json.loads(provenance), "speech": {"engine": engine_name(), **spoken}})


def _source(sample: Mapping[str, Any]) -> str:
    try:
        return str(json.loads(sample["provenance"])["source"])
    except (KeyError, TypeError, ValueError):
        return "unknown source"


def require_few_quarantined(manifest: pd.DataFrame, quarantine: pd.DataFrame, share: float) -> None:
    """Log what was set aside, and stop when it is more than ``share`` of all rows.

    Raises:
        SoundmindError: Too many rows are bad; names the count and the first three with their reasons.
    """
    if quarantine.empty:
        return
    total = len(manifest) + len(quarantine)
    first = "\n".join(f"  {row.uid} ({row.place}): {row.reason}" for row in quarantine.head(3).itertuples())
    summary = f"{len(quarantine)} of {total} rows are in quarantine, the first of them:\n{first}"
    if len(quarantine) > share * total:
        raise SoundmindError(
            summary, hint="See data/03_primary/quarantine.parquet, or raise ingestion.max_quarantined."
        )
    logger.warning("%s", summary)

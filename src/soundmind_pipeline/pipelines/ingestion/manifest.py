"""Problems and their speech joined into the sample table; rows that cannot be used are set aside with their reason."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.schema import CLIP_FIELDS, SAMPLE_COLUMNS, SAMPLE_DTYPES, is_null, validate_row
from soundmind_pipeline.speech.audio import Defect

logger = logging.getLogger(__name__)

QUARANTINE_COLUMNS: Final = ("uid", "place", "reason", "row")

_FACTS: Final = dict(zip(CLIP_FIELDS, ("path", "sha256", "seconds", "speech_seconds", "loudness_db"), strict=True))
"""Fields of the manifest's audio columns, and the clip table's columns that fill them."""

Row = dict[str, Any]


def join_speech(
    problems: pd.DataFrame, plan: pd.DataFrame, clips: pd.DataFrame, rejected: Sequence[pd.DataFrame] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The sample table, and the rows that may not enter it.

    Args:
        problems: Text columns of the sample table.
        plan: Every clip: how it was meant to be spoken, or which file it is.
        clips: What every clip of the plan turned out to be (``clips.CLIP_DTYPES``).
        rejected: Rows that earlier steps have set aside, in the columns of the quarantine table.

    Returns:
        The manifest (columns of ``problems.schema.SAMPLE_COLUMNS``), and the quarantine table: ``uid``, ``place`` (the
        sound file, or the source and row), ``reason``, and the whole ``row`` as JSON. Every row of ``problems`` is in
        exactly one of them.
    """
    planned = {(row["uid"], row["side"]): row for row in _records(plan)}
    found = {(row["uid"], row["side"]): row for row in _records(clips)}
    repeated = problems["uid"].duplicated()
    good: list[Row] = []
    bad: list[dict[str, str]] = []
    for number, row in enumerate(_records(problems)):
        place, reasons = f"{_source(row)}, row {number}", validate_row(row)
        if repeated.iloc[number]:
            reasons.append(f"uid: an earlier row is called {row['uid']} too")
        if not reasons:
            sides = [side for side in ("question", "answer") if (row["uid"], side) in found]
            pairs = {side: (planned[row["uid"], side], found[row["uid"], side]) for side in sides}
            row = row | _audio_columns(pairs) | {"provenance": _with_speech(row["provenance"], pairs)}
            if "question" not in pairs:
                reasons = ["question_audio: missing: the source has none, and ingestion.soundmind.speak_missing is off"]
            else:
                place, reasons = _clip_defects(pairs) or (place, validate_row(row))
        if reasons:
            bad.append({"uid": str(row["uid"]), "place": place, "reason": "; ".join(reasons), "row": _json(row)})
        else:
            good.append(row)
    manifest = pd.DataFrame(good, columns=list(SAMPLE_COLUMNS)).astype(SAMPLE_DTYPES)
    own = pd.DataFrame(bad, columns=list(QUARANTINE_COLUMNS))
    quarantine = pd.concat([*(table[list(QUARANTINE_COLUMNS)] for table in rejected), own], ignore_index=True)
    return manifest, quarantine.astype("str")


def _records(table: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _audio_columns(pairs: Mapping[str, tuple[Row, Row]]) -> Row:
    """The audio columns of one row, null for a side without a clip."""
    columns: Row = {}
    for side in ("question", "answer"):
        clip = pairs[side][1] if side in pairs else {}
        columns |= {f"{side}_{field}": clip.get(fact) for field, fact in _FACTS.items()}
    return columns


def _clip_defects(pairs: Mapping[str, tuple[Row, Row]]) -> tuple[str, list[str]] | None:
    """The first defective file and the defects of all; None if there are none."""
    clips = {side: clip for side, (_, clip) in pairs.items() if isinstance(clip["defect"], str)}
    if not clips:
        return None
    reasons = [f"{side}_audio: {clip['defect']}: {clip['detail']}" for side, clip in clips.items()]
    return next(iter(clips.values()))["path"], reasons


def _with_speech(provenance: str, pairs: Mapping[str, tuple[Row, Row]]) -> str:
    """The row's provenance with who speaks: the question's under ``speech``, the answer's under ``speech.answer``."""
    origin = json.loads(provenance)
    earlier = _facts_of(origin.get("speech"))  # of an export that is read back
    told = {"question": {name: fact for name, fact in earlier.items() if name != "answer"}}
    told["answer"] = _facts_of(earlier.get("answer"))
    said = {side: _speaker(plan, told[side]) for side, (plan, _) in pairs.items()}
    speech = said.get("question", {}) | ({"answer": said["answer"]} if "answer" in said else {})
    return json.dumps({**origin, "speech": speech})


def _facts_of(value: Any) -> Row:
    return value if isinstance(value, dict) else {}


def _speaker(plan: Row, told: Row) -> Row:
    """Who speaks a clip that was made, or the file of one that came with its source, with what that tells of it."""
    return json.loads(plan["speaker"]) if isinstance(plan["speaker"], str) else {**told, "file": plan["file"]}


def _json(row: Row) -> str:
    return json.dumps({name: None if is_null(value) else value for name, value in row.items()}, default=str)


def _source(sample: Row) -> str:
    try:
        return str(json.loads(sample["provenance"])["source"])
    except (KeyError, TypeError, ValueError):
        return "unknown source"


def log_contents(manifest: pd.DataFrame, quarantine: pd.DataFrame) -> None:
    """Tell what the manifest holds: rows by split, hours of speech, label conflicts, and what was set aside."""
    rows = ", ".join(f"{count:,} {split}" for split, count in manifest["split"].value_counts(sort=False).items())
    hours = {side: manifest[f"{side}_seconds"].sum() / 3600 for side in ("question", "answer")}
    spoken = ", ".join(f"{value:.2f} h of {side}s" for side, value in hours.items() if value)
    logger.info(
        "The manifest holds %s rows: %s, %d label conflicts. In quarantine: %s.",
        rows,
        spoken,
        manifest["label_conflict"].sum(),
        f"{len(quarantine):,}",
    )


def require_no_fatal_defect(clips: pd.DataFrame, fatal: Sequence[Defect]) -> None:
    """Stop when a clip has a defect that is not to be lived with.

    Raises:
        SoundmindError: Names the first three such clips.
    """
    found = clips[clips["defect"].isin(list(fatal))]
    if found.empty:
        return
    first = "\n".join(f"  {row.path} ({row.uid}): {row.defect}: {row.detail}" for row in found.head(3).itertuples())
    raise SoundmindError(
        f"{len(found)} of {len(clips)} clips have a defect of ingestion.fatal_defects, the first of them:\n{first}",
        hint="Mend the source, or take the defect out of ingestion.fatal_defects to set such rows aside.",
    )


def require_few_quarantined(manifest: pd.DataFrame, quarantine: pd.DataFrame, share: float) -> None:
    """Log what was set aside, and stop when it is more than ``share`` of all rows.

    Raises:
        SoundmindError: Too many rows are bad; names the count and the first three with their reasons.
    """
    if quarantine.empty:
        return
    total = len(manifest) + len(quarantine)
    first = "\n".join(f"  {row.uid} ({row.place}): {row.reason}" for row in quarantine.head(3).itertuples())
    summary = f"{len(quarantine)} of {total} rows are in quarantine"
    if len(quarantine) > 3:
        summary += f" ({_kinds(quarantine['reason'])})"
    summary += f", the first of them:\n{first}"
    if len(quarantine) > share * total:
        raise SoundmindError(
            summary,
            hint="See quarantine.parquet in the folder 03_primary of the data, or raise ingestion.max_quarantined.",
        )
    logger.warning("%s", summary)


def _kinds(reasons: pd.Series) -> str:
    """How many rows have which kind of defect, the most frequent first: reasons without their particulars."""
    kinds = reasons.str.split(";").str[0].str.split(":").str[:2].str.join(":").str.slice(0, 60)
    counts = kinds.value_counts()
    named = [f"{count} × {kind}" for kind, count in counts.head(5).items()]
    return ", ".join([*named, f"{len(counts) - 5} other kinds"] if len(counts) > 5 else named)

"""Colloquialization (the paper's section 3.2): a triplet of premises becomes a conversational prompt."""

import json
import random
import re
from pathlib import Path
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.problems.construction.params import ColloquializationParams
from soundmind_pipeline.problems.construction.prompts import REWRITE_SYSTEM, WordingName, prompt_id, word_prompt
from soundmind_pipeline.problems.construction.reply import Reply, UnusableReplyError
from soundmind_pipeline.problems.construction.rows import (
    Rejection,
    Row,
    add_provenance,
    ask_rows,
    asked,
    records,
    reject,
)
from soundmind_pipeline.problems.published.premises import Premises
from soundmind_pipeline.problems.sources.rows import Rejected, text_frame
from soundmind_pipeline.problems.verified.generate import colloquialize_triplets

COLUMNS: Final = ("major_premise", "minor_premise", "conclusion")
LENGTH_RATIO: Final = (0.4, 2.5)
"""Shortest and longest rewriting against the original, in words; beyond, facts are missing or added."""

SPARE_WORDS: Final = 6
"""Words that a rewriting may be longer or shorter whatever the ratio: short premises need the room."""

_VERDICT = re.compile(r"\bentail", re.IGNORECASE)
_FENCE = re.compile(r"^```(?:json)?\s*(.*?)\s*```$", re.DOTALL)


def colloquialize(
    rows: pd.DataFrame, params: ColloquializationParams, cache: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fill ``user_content`` where it is null; every other row is left as it is.

    The embedded colloquializer gives verified problems the wording that they were drawn with, and other triplets one of
    ``params.wordings``. That is drawn by seed and uid, so a new row leaves the others as they were. The triplet's own
    columns keep the source's text, rewritten or not.

    Args:
        rows: Text columns of the sample table.
        params: Wording, or endpoint.
        cache: Folder that keeps the endpoint's replies between runs.

    Returns:
        The rows that have a prompt now, and the rejected ones with reasons (``sources.rows.REJECTED_COLUMNS``).

    Raises:
        SoundmindError: The endpoint cannot be used, or the token budget ends.
    """
    if params.kind == "embedded":
        rows = _word_verified(rows)
    if rows["user_content"].notna().all():
        return rows, Rejected().frame()
    given = list(records(rows))
    spoken = iter(_spoken([row for row in given if row["user_content"] is None], params, cache))
    done: list[Row] = []
    rejected = Rejected()
    for row in given:
        if row["user_content"] is not None:
            done.append(row)
            continue
        premises, facts = next(spoken)
        if isinstance(premises, Rejection):
            reject(rejected, row, f"colloquialization: {premises.reason}")
            continue
        wording = draw_wording(params, row["uid"])
        provenance = add_provenance(row, "colloquialization", {**facts, "wording": wording})
        done.append(row | {"user_content": word_prompt(premises, wording), "provenance": provenance})
    return text_frame(done), rejected.frame()


def _word_verified(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the prompts of verified problems filled in."""
    verified = rows["user_content"].isna() & rows["problem"].notna()
    if not verified.any():
        return rows
    return pd.concat([colloquialize_triplets(rows[verified]), rows[~verified]]).loc[rows.index]


def draw_wording(params: ColloquializationParams, uid: str) -> WordingName:
    """The wording of a row."""
    return random.Random(f"{params.seed}/wording/{uid}").choice(params.wordings)


def _spoken(
    rows: list[Row], params: ColloquializationParams, cache: Path
) -> list[tuple[Premises | Rejection, dict[str, Any]]]:
    """The triplet of each row as it is to be said, with its provenance."""
    triplets = [Premises(*(row[column] or "" for column in COLUMNS)) for row in rows]
    if params.kind == "embedded" or not rows:
        return [(triplet, {"kind": "embedded"}) for triplet in triplets]
    conversations = [
        ({"role": "system", "content": REWRITE_SYSTEM}, {"role": "user", "content": json.dumps(triplet._asdict())})
        for triplet in triplets
    ]

    def read(number: int, reply: Reply) -> Premises:
        return read_rewriting(triplets[number], reply)

    answers = ask_rows(
        conversations, read, params.endpoint, params.attempts, cache / "colloquialization", "Colloquializing"
    )
    prompt = prompt_id("rewrite", REWRITE_SYSTEM)
    return [
        (answer, {}) if isinstance(answer, Rejection) else (answer.value, asked(params.endpoint, prompt, answer))
        for answer in answers
    ]


def read_rewriting(original: Premises, reply: Reply) -> Premises:
    """The colloquial triplet in a reply.

    Raises:
        UnusableReplyError: It is no JSON object of three texts, leaves one out, speaks of entailment, or differs so
            much in length that something must be missing or added.
    """
    _, content = reply.parts()
    fenced = _FENCE.match(content)
    try:
        document = json.loads(fenced[1] if fenced else content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UnusableReplyError(f"no JSON object: {content[:80]!r}")
    texts = [document.get(part) for part in Premises._fields]
    if not all(isinstance(text, str) for text in texts):
        raise UnusableReplyError("not a text each under major, minor and conclusion")
    rewritten = Premises(*(" ".join(str(text).split()) for text in texts))
    for part, before, after in zip(Premises._fields, original, rewritten, strict=True):
        if _VERDICT.search(after) and not _VERDICT.search(before):
            raise UnusableReplyError(f"{part} speaks of entailment")
        words, least, most = len(after.split()), *(ratio * len(before.split()) for ratio in LENGTH_RATIO)
        if bool(words) != bool(before.strip()) or not least - SPARE_WORDS <= words <= most + SPARE_WORDS:
            raise UnusableReplyError(f"{part} has {words} words where the original has {len(before.split())}")
    return rewritten

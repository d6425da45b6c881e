"""Small sample tables: one of generated problems, and one as published, with nulls and spoken answers."""

import hashlib
import json
from collections.abc import Callable

import pandas as pd
import pytest

from soundmind_pipeline.problems.schema import CONSTRUCTED_COLUMNS, SAMPLE_COLUMNS, SAMPLE_DTYPES, SPLITS

ROWS_A_SPLIT = 4


def clip(side: str, uid: str, seconds: float) -> dict:
    return {
        f"{side}_audio": f"data/speech/{uid}/{side}.wav",
        f"{side}_sha256": hashlib.sha256(f"{side} {uid}".encode()).hexdigest(),
        f"{side}_seconds": seconds,
        f"{side}_speech_seconds": 0.8 * seconds,
        f"{side}_loudness_db": -20.0,
    }


def generated_row(split: str, number: int) -> dict:
    label, uid = number % 2, f"{split}/{number:04d}"
    verdict = "entailed" if label else "not entailed"
    reasoning = f"reasoning {split} {number}"
    row = {
        "split": split,
        "id": f"{number:04d}",
        "uid": uid,
        "user_content": f"if a then b but a so b in {split} {number}.",
        "major_premise": "if a then b",
        "minor_premise": "a",
        "conclusion": "b",
        "reference_reasoning": reasoning,
        "reference_answer": f"<think> {reasoning} </think> Answer: {verdict}.",
        "reference_verdict": verdict,
        "label": label,
        "label_conflict": False,
        "leak_group": f"group {split} {number // 2}",
        "family": "if_then",
        "form": "MP",
        "claim_kind": "natural",
        "difficulty": 1,
        "problem": "{}",
        "provenance": json.dumps({"source": "verified"}),
    }
    return dict.fromkeys(SAMPLE_COLUMNS) | row | clip("question", uid, 3.0)


def published_row(split: str, number: int) -> dict:
    """No logical form, both sides spoken at length; of each split one reference without verdict, one prompt without
    triplet."""
    row = generated_row(split, number) | dict.fromkeys(CONSTRUCTED_COLUMNS)
    row |= clip("question", row["uid"], 62.0) | clip("answer", row["uid"], 608.0)
    row |= {
        "user_content": f"Does it follow that {number} in {split}? " + "word " * 140,
        "reference_reasoning": "So " * 1200,
        "provenance": json.dumps({"source": "soundmind"}),
    }
    row["reference_answer"] = f"<think> {row['reference_reasoning']}</think> Answer: {row['reference_verdict']}."
    if number == 0:
        row |= {"reference_verdict": None, "reference_reasoning": None, "reference_answer": "So " * 1200}
    if number == 1:
        row |= dict.fromkeys(("major_premise", "minor_premise", "conclusion"))
    return row


def table(make_row: Callable[[str, int], dict]) -> pd.DataFrame:
    rows = [make_row(split, number) for split in SPLITS for number in range(ROWS_A_SPLIT)]
    return pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS)).astype(SAMPLE_DTYPES)


@pytest.fixture
def manifest() -> pd.DataFrame:
    """Twelve generated problems, four a split; questions are spoken."""
    return table(generated_row)


@pytest.fixture
def published() -> pd.DataFrame:
    """Twelve rows as published."""
    return table(published_row)

"""Every reason for which a row is refused."""

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.schema import (
    AUDIO_COLUMNS,
    CONSTRUCTED_COLUMNS,
    NULLABLE_COLUMNS,
    SAMPLE_COLUMNS,
    SAMPLE_DTYPES,
    TEXT_COLUMNS,
    validate_row,
)
from soundmind_pipeline.problems.verified.generate import generate_samples

AUDIO = {
    "question_audio": "data/03_primary/audio/train/0001.wav",
    "question_sha256": "a" * 64,
    "question_seconds": 2.5,
    "question_speech_seconds": 2.1,
    "question_loudness_db": -21.5,
    "answer_audio": None,
    "answer_sha256": None,
    "answer_seconds": float("nan"),
    "answer_speech_seconds": float("nan"),
    "answer_loudness_db": None,
}
ANSWER = {
    "answer_audio": "data/a.wav",
    "answer_sha256": "0" * 64,
    "answer_seconds": 1,
    "answer_speech_seconds": 0.0,
    "answer_loudness_db": -90.0,
}


@pytest.fixture(scope="module")
def good():
    params = VerifiedParams(counts=SplitCounts(train=1, dev=1, test=1))
    return generate_samples(params).iloc[0].to_dict()


def test_columns():
    assert SAMPLE_COLUMNS == TEXT_COLUMNS + AUDIO_COLUMNS == tuple(SAMPLE_DTYPES)
    assert len(set(SAMPLE_COLUMNS)) == len(SAMPLE_COLUMNS)


def test_a_good_row_passes_with_and_without_audio(good):
    assert validate_row(good) == []
    assert validate_row(good | AUDIO) == []
    assert validate_row(good | AUDIO | ANSWER) == []
    assert validate_row(good | {"label": np.int64(good["label"]), "source_label": 1, "difficulty": np.int64(3)}) == []


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("user_content", "", "empty"),
        ("user_content", " \n", "empty"),
        ("user_content", None, "null"),
        ("user_content", 7, "not a text"),
        ("conclusion", " ", "empty"),
        ("reference_answer", float("nan"), "null"),
        ("label", 2, "neither 0 nor 1"),
        ("label", 0.5, "not a whole number"),
        ("label", "1", "not a whole number"),
        ("label", True, "not a whole number"),
        ("label", pd.NA, "null"),
        ("source_label", 3, "neither 0 nor 1"),
        ("label_conflict", "yes", "not true or false"),
        ("id", "../etc", "letters, digits"),
        ("id", "a/b", "letters, digits"),
        ("id", "0001\n", "letters, digits"),
        ("id", "-1", "letters, digits"),
        ("uid", "test/9999", "not split/id"),
        ("split", "validation", "not one of"),
        ("reference_verdict", "unknown", "not one of"),
        ("claim_kind", "other", "not one of"),
        ("difficulty", 0, "below 1"),
        ("problem", "{", "not a JSON object"),
        ("provenance", "[]", "not a JSON object"),
        ("reference_reasoning", "something else", "does not hold"),
    ],
)
def test_a_bad_text_value_is_named(good, column, value, reason):
    [found] = validate_row(good | {column: value})
    assert reason in found
    assert found.startswith("reference_answer" if column == "reference_reasoning" else column)


def test_a_contradicted_conflict_flag_is_named(good):
    [found] = validate_row(good | {"label_conflict": not good["label_conflict"]})
    assert found.startswith("label_conflict: says")
    flipped = "not entailed" if good["reference_verdict"] == "entailed" else "entailed"
    [found] = validate_row(good | {"reference_verdict": flipped})
    assert found.startswith("label_conflict: says")


def test_a_missing_column_is_named(good):
    row = {name: value for name, value in good.items() if name != "leak_group"}
    assert validate_row(row) == ["leak_group: missing"]
    assert len(validate_row({})) == len(TEXT_COLUMNS)


@pytest.mark.parametrize(
    ("update", "named"),
    [
        ({"question_audio": None}, "question_audio"),
        ({"question_audio": "/elsewhere/a.wav"}, "question_audio"),
        ({"question_audio": "data/../../a.wav"}, "question_audio"),
        ({"question_audio": "data\\a.wav"}, "question_audio"),
        ({"question_sha256": "abc"}, "question_sha256"),
        ({"question_seconds": 0.0}, "question_seconds"),
        ({"question_seconds": float("inf")}, "question_seconds"),
        ({"question_seconds": float("nan")}, "question_seconds"),
        ({"question_seconds": "2"}, "question_seconds"),
        ({"question_speech_seconds": None}, "question_speech_seconds"),
        ({"question_speech_seconds": -0.1}, "question_speech_seconds"),
        ({"question_speech_seconds": 2.6}, "question_speech_seconds"),
        ({"question_loudness_db": float("-inf")}, "question_loudness_db"),
        ({"question_loudness_db": None}, "question_loudness_db"),
        (ANSWER | {"answer_seconds": None}, "answer_seconds"),
        (ANSWER | {"answer_sha256": None}, "answer_sha256"),
        (ANSWER | {"answer_speech_seconds": None}, "answer_speech_seconds"),
        (ANSWER | {"answer_loudness_db": float("nan")}, "answer_loudness_db"),
    ],
)
def test_bad_audio_is_named(good, update, named):
    [found] = validate_row(good | AUDIO | update)
    assert found.startswith(named)


def test_a_published_row_knows_no_logical_form(good):
    published = good | dict.fromkeys([*CONSTRUCTED_COLUMNS, "source_label"])
    assert validate_row(published) == []
    assert validate_row(published | dict.fromkeys(["major_premise", "minor_premise", "conclusion"], float("nan"))) == []
    reasons = validate_row(good | {"form": None, "difficulty": pd.NA})
    assert reasons == ["form: null, while family is given", "difficulty: null, while family is given"]


def test_a_reference_without_a_verdict_contradicts_no_label(good):
    silent = good | {"reference_verdict": None, "label_conflict": False}
    assert validate_row(silent) == []
    assert validate_row(silent | {"reference_reasoning": None}) == []
    assert validate_row(good | {"reference_reasoning": None}) == [
        "reference_reasoning: null, while reference_verdict is given"
    ]
    [found] = validate_row(silent | {"label_conflict": True})
    assert found.startswith("label_conflict: says True")


@pytest.mark.parametrize("column", sorted(set(TEXT_COLUMNS) - set(NULLABLE_COLUMNS)))
def test_any_other_column_must_be_filled(good, column):
    assert validate_row(good | {column: None}) == [f"{column}: null"]

import hashlib
import json

import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.expectations import (
    ExpectationParams,
    require_critical,
    validate_manifest,
    with_derived_columns,
)
from soundmind_pipeline.problems.schema import SAMPLE_COLUMNS, SAMPLE_DTYPES

ROWS_A_SPLIT = 4


def good_row(split: str, number: int) -> dict:
    label = number % 2
    verdict = "entailed" if label else "not entailed"
    reasoning = f"reasoning {split} {number}"
    return {
        "split": split,
        "id": f"{number:04d}",
        "uid": f"{split}/{number:04d}",
        "user_content": f"if a then b but a so b in {split} {number}.",
        "major_premise": "if a then b",
        "minor_premise": "a",
        "conclusion": "b",
        "reference_reasoning": reasoning,
        "reference_answer": f"<think> {reasoning} </think> Answer: {verdict}.",
        "reference_verdict": verdict,
        "label": label,
        "source_label": None,
        "label_conflict": False,
        "leak_group": f"group {split} {number // 2}",
        "family": "if_then",
        "form": "MP",
        "claim_kind": "natural",
        "difficulty": 1,
        "problem": "{}",
        "provenance": json.dumps({"source": "verified"}),
        "question_audio": f"data/speech/{split}/{number:04d}.wav",
        "question_sha256": hashlib.sha256(f"{split} {number}".encode()).hexdigest(),
        "question_seconds": 3.0,
        "answer_audio": None,
        "answer_sha256": None,
        "answer_seconds": None,
    }


@pytest.fixture
def manifest() -> pd.DataFrame:
    rows = [good_row(split, number) for split in ("train", "dev", "test") for number in range(ROWS_A_SPLIT)]
    return pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS)).astype(SAMPLE_DTYPES)


def failures(outcome: dict) -> dict[tuple[str, str], dict]:
    return {
        (result["name"].removeprefix("expect_"), result["column"]): result
        for result in outcome["expectations"]
        if not result["success"]
    }


def test_a_sound_manifest_passes_and_has_data_docs(manifest):
    before = manifest.copy()
    outcome, docs = validate_manifest(manifest, ExpectationParams())
    assert failures(outcome) == {}
    assert outcome["success"] is True
    assert outcome["rows"] == 12
    assert len(outcome["expectations"]) >= 15
    json.dumps(outcome, allow_nan=False)
    assert b"manifest" in docs["index.html"]
    assert any(name.startswith("validations/manifest/") for name in docs)
    pd.testing.assert_frame_equal(manifest, before)
    require_critical(outcome)


def test_each_defect_fails_its_own_expectation_with_count_and_uids(manifest):
    uid = manifest["uid"]
    manifest.loc[uid == "train/0001", "reference_answer"] = "<think> x </think> Answer: not entailed."
    manifest.loc[uid == "train/0002", "label_conflict"] = True
    manifest.loc[uid.isin(["dev/0000", "dev/0001"]), "leak_group"] = "group train 0"
    manifest.loc[uid == "dev/0002", "question_sha256"] = "ABC"
    manifest.loc[uid == "dev/0003", "question_seconds"] = 31.0
    manifest.loc[uid == "test/0000", "question_audio"] = "data/../../secret.wav"
    manifest.loc[uid == "test/0001", "form"] = None
    manifest.loc[uid == "test/0002", "claim_kind"] = "odd"
    manifest.loc[uid == "test/0003", ["id", "user_content"]] = ["9/9", "if a then b but a so b in test 2."]
    outcome, _ = validate_manifest(manifest, ExpectationParams())
    assert outcome["success"] is False
    found = {key: (result["count"], result["first_uids"]) for key, result in failures(outcome).items()}
    assert found == {
        ("column_pair_values_to_be_equal", "reference_verdict = derived_stated_verdict"): (1, ["train/0001"]),
        ("column_pair_values_to_be_equal", "label_conflict = derived_label_conflict"): (1, ["train/0002"]),
        ("column_values_to_be_in_set", "derived_splits_of_leak_group"): (
            4,
            ["train/0000", "train/0001", "dev/0000", "dev/0001"],
        ),
        ("column_values_to_match_regex", "question_sha256"): (1, ["dev/0002"]),
        ("column_values_to_be_between", "question_seconds"): (1, ["dev/0003"]),
        ("column_values_to_be_between", "derived_words_per_second"): (1, ["dev/0003"]),
        ("column_values_to_match_regex", "question_audio"): (1, ["test/0000"]),
        ("column_values_to_not_be_null", "form"): (1, ["test/0001"]),
        ("column_values_to_be_in_set", "claim_kind"): (1, ["test/0002"]),
        ("column_values_to_match_regex", "id"): (1, ["test/0003"]),
        ("column_pair_values_to_be_equal", "uid = derived_uid"): (1, ["test/0003"]),
        ("column_values_to_be_unique", "user_content"): (2, ["test/0002", "test/0003"]),
    }
    with pytest.raises(SoundmindError) as caught:
        require_critical(outcome)
    message = str(caught.value)
    assert "expect_column_values_to_match_regex(question_sha256): 1 rows, first dev/0002" in message
    assert "data_docs" in message
    assert "user_content" not in message  # a warning only


def test_unbalanced_labels_missing_splits_and_columns_are_found(manifest):
    broken = manifest[manifest["split"] != "dev"].drop(columns=["family", "answer_audio"])
    broken.loc[broken["split"] == "test", "label"] = 1
    outcome, _ = validate_manifest(broken, ExpectationParams())
    found = failures(outcome)
    balance = found["column_mean_to_be_between", "label where split is test"]
    assert balance["observed"] == "1.0"
    assert ("column_distinct_values_to_equal_set", "split") in found
    assert "answer_audio" in found["table_columns_to_match_set", ""]["observed"]
    assert '"family"' in found["column_values_to_not_be_null", "family"]["observed"]
    with pytest.raises(SoundmindError, match=r"mean_to_be_between\(label where split is test\): found 1\.0"):
        require_critical(outcome)


def test_warnings_alone_are_logged_and_let_the_manifest_through(manifest, caplog):
    manifest.loc[:, "user_content"] = "if a then b but a so b."
    outcome, _ = validate_manifest(manifest, ExpectationParams())
    assert outcome["success"] is True
    require_critical(outcome)
    assert "expect_column_values_to_be_unique(user_content): 12 rows" in caplog.text


def test_derived_columns(manifest):
    manifest.loc[0, "reference_answer"] = "Answer: entailed."
    frame = with_derived_columns(manifest)
    assert frame["derived_stated_verdict"].tolist()[:3] == ["none", "entailed", "not entailed"]
    assert frame["derived_words_per_second"].iloc[0] == pytest.approx(11 / 3)
    assert frame["derived_splits_of_leak_group"].eq(1).all()
    assert list(with_derived_columns(manifest[["uid"]]).columns) == ["uid"]


def test_bounds_are_used_as_given(manifest):
    outcome, _ = validate_manifest(manifest, ExpectationParams(min_entailed=0.6))
    assert {key[0] for key in failures(outcome)} == {"column_mean_to_be_between"}

import json

import pandas as pd
import pytest
from pydantic import ValidationError

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.expectations import (
    ExpectationParams,
    require_critical,
    validate_manifest,
    with_derived_columns,
)
from soundmind_pipeline.problems.expectations.derived import with_own_types
from soundmind_pipeline.problems.published.table3 import PAPER
from soundmind_pipeline.problems.schema import AUDIO_COLUMNS, NULLABLE_COLUMNS, SAMPLE_COLUMNS

PUBLISHED = ExpectationParams(max_seconds=300, max_answer_seconds=3600, leaks="warning")


def failures(outcome: dict) -> dict[tuple[str, str, str], tuple[int, list[str]]]:
    return {
        (result["split"], result["name"].removeprefix("expect_"), result["column"]): (
            result["count"],
            result["first_uids"],
        )
        for result in outcome["expectations"]
        if not result["success"]
    }


def test_a_sound_manifest_passes_and_has_data_docs_of_every_split(manifest):
    before = manifest.copy()
    outcome, docs = validate_manifest(manifest, ExpectationParams())
    assert failures(outcome) == {}
    assert outcome["success"] is True
    assert (outcome["rows"], outcome["splits"]) == (12, {"train": 4, "dev": 4, "test": 4})
    json.dumps(outcome, allow_nan=False)
    for suite in ("manifest", "train", "dev", "test"):
        assert sum(result["split"] == suite for result in outcome["expectations"]) >= 5
        assert any(name.startswith(f"validations/{suite}/") for name in docs)
    assert b"manifest" in docs["index.html"]
    pd.testing.assert_frame_equal(manifest, before)
    require_critical(outcome)


def test_each_defect_fails_its_own_expectation_in_its_own_split(manifest):
    uid = manifest["uid"]
    manifest.loc[uid == "train/0001", "reference_answer"] = "<think> x </think> Answer: not entailed."
    manifest.loc[uid == "train/0002", "label_conflict"] = True
    manifest.loc[uid == "train/0003", "question_speech_seconds"] = 0.1
    manifest.loc[uid.isin(["dev/0000", "dev/0001"]), "leak_group"] = "group train 0"
    manifest.loc[uid == "dev/0002", "question_sha256"] = "ABC"
    manifest.loc[uid == "dev/0003", ["question_seconds", "question_speech_seconds"]] = 31.0
    manifest.loc[uid == "test/0000", "question_audio"] = "data/../../secret.wav"
    manifest.loc[uid == "test/0001", "form"] = None
    manifest.loc[uid == "test/0001", "answer_audio"] = "data/answer.wav"
    manifest.loc[uid == "test/0002", "claim_kind"] = "odd"
    manifest.loc[uid == "test/0003", ["id", "user_content"]] = ["9/9", "if a then b but a so b in test 2."]
    outcome, _ = validate_manifest(manifest, ExpectationParams())
    assert outcome["success"] is False
    in_set, regex = "column_values_to_be_in_set", "column_values_to_match_regex"
    between, pair = "column_values_to_be_between", "column_pair_values_to_be_equal"
    assert failures(outcome) == {
        ("train", pair, "reference_verdict = derived_stated_verdict"): (1, ["train/0001"]),
        ("train", pair, "label_conflict = derived_label_conflict"): (1, ["train/0002"]),
        ("train", between, "derived_question_speech_share"): (1, ["train/0003"]),
        ("train", in_set, "derived_splits_of_leak_group"): (2, ["train/0000", "train/0001"]),
        ("dev", in_set, "derived_splits_of_leak_group"): (2, ["dev/0000", "dev/0001"]),
        ("dev", regex, "question_sha256"): (1, ["dev/0002"]),
        ("dev", between, "question_seconds"): (1, ["dev/0003"]),
        ("dev", between, "derived_question_words_per_second"): (1, ["dev/0003"]),
        ("test", regex, "question_audio"): (1, ["test/0000"]),
        ("test", "column_values_to_not_be_null", "form"): (1, ["test/0001"]),
        ("test", in_set, "derived_answer_fields"): (1, ["test/0001"]),
        ("test", in_set, "claim_kind"): (1, ["test/0002"]),
        ("test", regex, "id"): (1, ["test/0003"]),
        ("test", pair, "uid = derived_uid"): (1, ["test/0003"]),
        ("test", "column_values_to_be_unique", "user_content"): (2, ["test/0002", "test/0003"]),
    }
    with pytest.raises(SoundmindError) as caught:
        require_critical(outcome)
    message = str(caught.value)
    assert "dev: expect_column_values_to_match_regex(question_sha256): 1 rows, first dev/0002, expected ^" in message
    assert "dev: expect_column_values_to_be_between(question_seconds): 1 rows, first dev/0003, expected 0.3 to 30" in (
        message
    )
    assert "ingestion.expectations.leaks" in message
    assert "data_docs" in message
    assert "docs/audit.md has them for published data" in message  # a duration is out of bounds
    assert "ingestion.expectations.splits" not in message
    assert "user_content" not in message  # a warning only


def test_unbalanced_labels_missing_splits_and_columns_are_found(manifest):
    broken = manifest[manifest["split"] != "dev"].drop(columns=["family", "answer_audio"])
    broken.loc[broken["split"] == "test", "label"] = 1
    outcome, _ = validate_manifest(broken, ExpectationParams())
    found = {(result["split"], result["name"], result["column"]): result for result in outcome["expectations"]}
    assert found["test", "expect_column_mean_to_be_between", "label"]["observed"] == "1.0"
    assert not found["manifest", "expect_column_distinct_values_to_equal_set", "split"]["success"]
    assert "answer_audio" in found["manifest", "expect_table_columns_to_match_set", ""]["observed"]
    assert '"family"' in found["train", "expect_column_values_to_not_be_null", "family"]["observed"]
    assert outcome["splits"] == {"train": 4, "test": 4}
    with pytest.raises(SoundmindError) as caught:
        require_critical(outcome)
    message = str(caught.value)
    assert "mean_to_be_between(label): found 1.0, expected 0.35 to 0.65" in message
    assert "to_equal_set(split): found without dev, expected train, dev, test" in message
    assert "ingestion.expectations.splits" in message
    assert validate_manifest(manifest[manifest["split"] == "dev"], ExpectationParams(splits=("dev",)))[0]["success"]


def test_recordings_that_stand_twice_are_told_across_the_splits(manifest, caplog):
    same = manifest["uid"].isin(["train/0000", "dev/0000"])
    manifest.loc[same, "question_sha256"] = "0" * 64
    outcome, _ = validate_manifest(manifest, ExpectationParams(leaks="warning"))
    assert set(failures(outcome)) == {
        ("manifest", "column_values_to_be_unique", "question_sha256"),
        ("train", "column_values_to_be_in_set", "derived_splits_of_question_sha256"),
        ("dev", "column_values_to_be_in_set", "derived_splits_of_question_sha256"),
    }
    assert outcome["success"] is True
    require_critical(outcome)
    assert "dev: expect_column_values_to_be_in_set(derived_splits_of_question_sha256): 1 rows, first dev/0000" in (
        caplog.text
    )
    assert validate_manifest(manifest, ExpectationParams())[0]["success"] is False


def test_published_rows_pass_with_their_bounds_and_fail_those_of_generated_ones(published):
    outcome, _ = validate_manifest(published, PUBLISHED)
    assert failures(outcome) == {}
    strict = {key[1:] for key in failures(validate_manifest(published, ExpectationParams())[0])}
    assert strict == {
        ("column_values_to_be_between", "question_seconds"),
        ("column_values_to_be_between", "answer_seconds"),
    }


@pytest.mark.parametrize(
    ("column", "value", "failing"),
    [
        ("reference_answer", None, {"reference_answer", "reference_verdict = derived_stated_verdict"}),
        ("answer_seconds", 60.0, {"derived_answer_words_per_second", "derived_answer_speech_share"}),
        ("answer_sha256", "x", {"answer_sha256"}),
        ("answer_loudness_db", 3.0, {"answer_loudness_db"}),
        ("source_label", 2, {"source_label"}),
        ("provenance", None, {"provenance"}),
    ],
)
def test_published_rows_are_guarded_too(published, column, value, failing):
    published.loc[published["uid"] == "test/0002", column] = value
    found = failures(validate_manifest(published, PUBLISHED)[0])
    assert {(split, where) for split, _, where in found} == {("test", where) for where in failing}
    assert all(ids == ["test/0002"] for _, ids in found.values())


def test_generated_rows_must_know_what_published_ones_need_not(manifest):
    manifest.loc[0, ["reference_verdict", "problem"]] = None
    found = {
        column for _, name, column in failures(validate_manifest(manifest, ExpectationParams())[0]) if "null" in name
    }
    assert found == {"reference_verdict", "problem"}


def test_a_table_without_audio_is_one_before_speech(published):
    outcome, _ = validate_manifest(published.drop(columns=list(AUDIO_COLUMNS)), PUBLISHED)
    assert failures(outcome) == {}
    assert not any("seconds" in result["column"] for result in outcome["expectations"])
    half, _ = validate_manifest(published.drop(columns=["question_seconds"]), PUBLISHED)
    assert ("manifest", "table_columns_to_match_set", "") in failures(half)


def test_the_published_class_balance_is_exact(published, monkeypatch):
    exact = PUBLISHED.model_copy(update={"class_balance": "published"})
    outcome, _ = validate_manifest(published, exact)
    assert set(failures(outcome)) == {
        (split, name, column)
        for split in PAPER
        for name, column in (("table_row_count_to_equal", ""), ("column_sum_to_be_between", "label"))
    }
    with pytest.raises(SoundmindError, match=r"dev: expect_table_row_count_to_equal: found 4, expected 606"):
        require_critical(outcome)
    for split in PAPER:
        monkeypatch.setitem(PAPER, split, {"rows": 4, "entailed": 2 if split != "dev" else 3})
    outcome, _ = validate_manifest(published, exact.model_copy(update={"class_balance_severity": "warning"}))
    assert set(failures(outcome)) == {("dev", "column_sum_to_be_between", "label")}
    assert outcome["success"] is True


def test_bounds_are_used_as_given(manifest):
    outcome, _ = validate_manifest(manifest, ExpectationParams(min_entailed=0.6))
    assert {key[1] for key in failures(outcome)} == {"column_mean_to_be_between"}


@pytest.mark.parametrize("name", ["seconds", "answer_seconds", "words_per_second", "entailed"])
def test_bounds_the_wrong_way_round_are_refused(name):
    with pytest.raises(ValidationError, match=f"min_{name} must not exceed max_{name}"):
        ExpectationParams(**{f"min_{name}": 0.9, f"max_{name}": 0.8})


def test_a_row_without_a_split_does_not_slip_through(manifest):
    manifest.loc[0, ["split", "leak_group"]] = None
    outcome, _ = validate_manifest(manifest, ExpectationParams(max_entailed=0.7))
    assert failures(outcome) == {("manifest", "column_values_to_not_be_null", "split"): (1, ["train/0000"])}
    assert outcome["success"] is False


def test_columns_full_of_nulls_fail_each_in_every_split(manifest):
    # `split` and `uid` keep their values: they are what a failure is told by.
    must = [name for name in SAMPLE_COLUMNS if name not in ("split", "uid", "source_label")]
    outcome, _ = validate_manifest(manifest.assign(**dict.fromkeys(must)), ExpectationParams(max_seconds=9))
    null = {(split, column) for split, name, column in failures(outcome) if name == "column_values_to_not_be_null"}
    # Nothing says that these rows were generated any more, so they need what published rows need.
    expected = {name for name in must if not name.startswith("answer_") and name not in NULLABLE_COLUMNS}
    assert null == {(split, name) for split in ("train", "dev", "test") for name in expected}


@pytest.mark.parametrize("column", SAMPLE_COLUMNS)
def test_derived_columns_stand_every_gap(manifest, column):
    frame = with_derived_columns(with_own_types(manifest.assign(**{column: None})))
    assert len(frame) == len(manifest)
    assert len(with_derived_columns(manifest.drop(columns=column))) == len(manifest)


@pytest.mark.parametrize(("column", "value"), [("major_premise", ["if"]), ("question_seconds", "3 s")])
def test_a_value_of_another_type_is_named(manifest, column, value):
    values = manifest[column].tolist()
    values[2] = value
    with pytest.raises(SoundmindError, match=rf"column {column} holds .* \(train/0002\)"):
        validate_manifest(manifest.assign(**{column: pd.Series(values, dtype=object)}), ExpectationParams())

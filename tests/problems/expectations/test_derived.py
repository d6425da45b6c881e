import pytest

from soundmind_pipeline.problems.expectations import with_derived_columns


def test_each_fact_has_its_column(manifest):
    manifest.loc[0, "reference_answer"] = "Answer: entailed."
    before = manifest.copy()
    frame = with_derived_columns(manifest)
    assert frame["derived_uid"].tolist()[:2] == ["train/0000", "train/0001"]
    assert frame["derived_stated_verdict"].tolist()[:3] == ["none", "entailed", "not entailed"]
    assert frame["derived_question_words_per_second"].iloc[0] == pytest.approx(11 / 3)
    assert frame["derived_question_speech_share"].iloc[0] == pytest.approx(2.4 / 3.05)
    assert frame["derived_splits_of_leak_group"].eq(1).all()
    assert frame["derived_answer_fields"].eq(0).all()
    assert manifest.equals(before)


def test_an_absent_column_yields_none(manifest):
    assert list(with_derived_columns(manifest[["uid"]]).columns) == ["uid"]


def test_published_rows_have_gaps_and_no_false_facts(published):
    frame = with_derived_columns(published)
    silent = published["reference_verdict"].isna()
    assert silent.sum() == 3
    assert not frame.loc[silent, "derived_label_conflict"].any()
    assert frame.loc[silent, "derived_stated_verdict"].isna().all()
    assert frame.loc[~silent, "derived_stated_verdict"].equals(published.loc[~silent, "reference_verdict"])
    # The tags of the response are not spoken: 1,200 words and the two or three of the last line.
    assert frame["derived_answer_words_per_second"].iloc[1] == pytest.approx(1202 / 608)
    assert frame["derived_answer_fields"].eq(5).all()


def test_a_missing_group_is_no_leak(manifest):
    manifest.loc[manifest["id"] == "0000", "leak_group"] = None
    frame = with_derived_columns(manifest)
    assert frame["derived_splits_of_leak_group"].eq(1).all()

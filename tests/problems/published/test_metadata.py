import pytest

from soundmind_pipeline.problems.published.fields import FieldError
from soundmind_pipeline.problems.published.lines import JsonLine
from soundmind_pipeline.problems.published.metadata import KEYS, parse_metadata

LINE = {
    "id": "0001",
    "question_file_name": "0001/question.wav",
    "answer_file_name": "0001/answer_1.wav",
    "annotation_question": "Does it follow?",
    "annotation_answer": "Yes.\nAnswer: entailed.",
    "label": 1,
}


def test_a_published_line():
    assert tuple(LINE) == KEYS
    row = parse_metadata(JsonLine(7, LINE | {"speaker": "a"}))
    annotation = row.annotation
    assert (annotation.line, annotation.id, annotation.label) == (7, "0001", 1)
    assert (annotation.user_content, annotation.answer) == ("Does it follow?", "Yes.\nAnswer: entailed.")
    assert (row.question_file_name, row.answer_file_name) == ("0001/question.wav", "0001/answer_1.wav")


def test_names_of_sound_files_may_be_missing():
    row = parse_metadata(JsonLine(1, {k: v for k, v in LINE.items() if k != "answer_file_name"}))
    assert row.answer_file_name is None
    assert parse_metadata(JsonLine(1, LINE | {"question_file_name": None})).question_file_name is None


@pytest.mark.parametrize("key", ["annotation_question", "annotation_answer", "label"])
def test_a_key_that_is_missing_or_null_is_named(key):
    for line in ({name: value for name, value in LINE.items() if name != key}, LINE | {key: None}):
        with pytest.raises(FieldError, match=f'key "{key}"'):
            parse_metadata(JsonLine(1, line))

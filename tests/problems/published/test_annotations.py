import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundmind_pipeline.problems.published.annotations import Annotation, read_annotations
from soundmind_pipeline.problems.published.lines import BadRow

GOOD = {"user_content": "Does it follow?", "answer": "Yes.\nAnswer: entailed.", "label": 1, "id": "0001"}
ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_published_row(tmp_path):
    path = write(tmp_path / "dev.jsonl", GOOD)
    assert list(read_annotations(path)) == [
        Annotation(1, "0001", "Does it follow?", "Yes.\nAnswer: entailed.", 1, "integer", None, None)
    ]


def test_durations_and_other_keys(tmp_path):
    path = write(tmp_path / "dev.jsonl", GOOD | {"question_seconds": 58, "answer_seconds": 586.4, "voice": "a"})
    (row,) = read_annotations(path)
    assert (row.question_seconds, row.answer_seconds) == (58.0, 586.4)


@pytest.mark.parametrize("key", ["user_content", "answer", "label"])
def test_a_row_without_a_key_is_bad(tmp_path, key):
    lacking = {name: value for name, value in GOOD.items() if name != key}
    path = write(tmp_path / "dev.jsonl", GOOD, lacking, GOOD | {key: None}, GOOD)
    rows = list(read_annotations(path))
    assert [type(row) for row in rows] == [Annotation, BadRow, BadRow, Annotation]
    assert rows[1].line == 2 and f'key "{key}"' in rows[1].reason and rows[1].reason.endswith("is missing")
    assert rows[2].line == 3 and rows[2].reason.endswith("is null")


def test_an_id_may_be_missing(tmp_path):
    path = write(tmp_path / "dev.jsonl", {name: value for name, value in GOOD.items() if name != "id"})
    assert [row.id for row in read_annotations(path)] == [None]


@given(st.lists(st.dictionaries(st.sampled_from([*GOOD, "answer_seconds"]), ANY, max_size=5)))
def test_every_row_is_a_sample_or_a_bad_row(tmp_path_factory, changes):
    path = write(tmp_path_factory.mktemp("rows") / "x.jsonl", *(GOOD | change for change in changes))
    rows = list(read_annotations(path))
    assert [row.line for row in rows] == list(range(1, len(changes) + 1))
    for row in rows:
        if isinstance(row, Annotation):
            assert row.label in (0, 1) and row.user_content.strip() and row.answer.strip()
            (row.user_content + row.answer).encode()
        else:
            assert row.reason.startswith("key ")

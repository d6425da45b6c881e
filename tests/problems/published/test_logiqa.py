import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundmind_pipeline.problems.published.lines import BadRow
from soundmind_pipeline.problems.published.logiqa import LogiqaProblem, read_logiqa
from soundmind_pipeline.problems.published.premises import Premises

GOOD = {"label": "not entailed", "major_premise": "All men are mortal.", "minor_premise": " Tom?", "conclusion": "no"}


def write(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_premises_as_text_list_and_empty_list(tmp_path):
    lists = GOOD | {"label": "entailed", "major_premise": ["All men are mortal", " Tom is a man"]}
    path = write(tmp_path / "test.txt", GOOD, lists, GOOD | {"major_premise": []})
    assert list(read_logiqa(path)) == [
        LogiqaProblem(1, Premises("All men are mortal.", "Tom?", "no"), 0),
        LogiqaProblem(2, Premises("All men are mortal. Tom is a man", "Tom?", "no"), 1),
        LogiqaProblem(3, Premises("", "Tom?", "no"), 0),
    ]


@pytest.mark.parametrize("key", list(GOOD))
def test_nulls_missing_keys_and_malformed_lines(tmp_path, key):
    lacking = {name: value for name, value in GOOD.items() if name != key}
    path = write(tmp_path / "test.txt", GOOD | {key: None}, lacking, "{oops", GOOD)
    rows = list(read_logiqa(path))
    assert [type(row) for row in rows] == [BadRow, BadRow, BadRow, LogiqaProblem]
    assert f'key "{key}"' in rows[0].reason and rows[0].reason.endswith("is null")
    assert rows[1].reason.endswith("is missing") and "not JSON" in rows[2].reason
    assert [row.line for row in rows] == [1, 2, 3, 4]


@given(st.lists(st.dictionaries(st.sampled_from(list(GOOD)), st.none() | st.text() | st.lists(st.text()), max_size=4)))
def test_every_line_is_a_problem_or_a_bad_row(tmp_path_factory, changes):
    path = write(tmp_path_factory.mktemp("rows") / "x.txt", *(GOOD | change for change in changes))
    assert [row.line for row in read_logiqa(path)] == list(range(1, len(changes) + 1))

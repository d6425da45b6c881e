import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.published import lines
from soundmind_pipeline.problems.published.lines import BadRow, JsonLine, read_object, read_objects

OBJECTS = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=3)


def read(tmp_path, content):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    return list(read_objects(path))


def test_objects_with_their_lines_and_blank_lines_skipped(tmp_path):
    assert read(tmp_path, b'{"a": 1}\n\n  \t\n{"b": [2]}') == [JsonLine(1, {"a": 1}), JsonLine(4, {"b": [2]})]


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b"  ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_files_without_rows(tmp_path, content):
    assert read(tmp_path, content) == []


def test_byte_order_mark_and_windows_line_ends(tmp_path):
    assert read(tmp_path, b'\xef\xbb\xbf{"a": 1}\r\n{"a": "x\\r\\ny"}\r\n') == [
        JsonLine(1, {"a": 1}),
        JsonLine(2, {"a": "x\r\ny"}),
    ]


def test_line_separators_of_unicode_do_not_end_a_line(tmp_path):
    assert read(tmp_path, '{"a": "x\u2028y\x85z"}'.encode()) == [JsonLine(1, {"a": "x\u2028y\x85z"})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON (Expecting property name enclosed in double quotes, column 2)"),
        (b'{"a": 1} x', "not JSON (Extra data, column 10)"),
        (b'{"a": 1}\r{"a": 2}', "not JSON (Extra data, column 10)"),
        (b"\x00", "not JSON (Expecting value, column 1)"),
        (b'{"a": "\x01"}', "not JSON (Invalid control character at, column 8)"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON (Unexpected UTF-8 BOM (decode using utf-8-sig), column 1)"),
        (b'{"a": "\xff"}', "not UTF-8 (byte 7)"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8 (byte 0)"),
        (b"[1, 2]", "not a JSON object but [1, 2]"),
        (b"null", "not a JSON object but null"),
        (b"NaN", "not a JSON object but nan"),
        (b'"' + b"x" * 99 + b'"', 'not a JSON object but "' + "x" * 59 + "…"),
        (b"[" * 100_000, "not JSON that can be read (nested too deep, or a number too long)"),
        (b'{"a": ' + b"7" * 9000 + b"}", "not JSON that can be read (nested too deep, or a number too long)"),
        (b'{"a": 1, "b": 2, "a": 3}', 'key "a": stands there twice'),
        (b'{"a": {"b": 1, "b": 1}}', 'key "b": stands there twice'),
    ],
)
def test_a_bad_line_is_told_and_the_next_is_read(tmp_path, line, reason):
    rows = read(tmp_path, b'{"ok": 1}\n' + line + b'\n{"ok": 2}\n')
    assert rows == [JsonLine(1, {"ok": 1}), BadRow(tmp_path / "rows.jsonl", 2, reason), JsonLine(3, {"ok": 2})]


def test_a_line_that_is_too_long_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 20)
    fits = b'{"a": "' + b"x" * 11 + b'"}'
    assert len(fits) == 20
    rows = read(tmp_path, fits + b"\n" + b'{"b": "' + b"x" * 100 + b'"}\n' + fits + b"\n" + b"y" * 21)
    assert [row.line for row in rows] == [1, 2, 3, 4]
    assert [type(row) for row in rows] == [JsonLine, BadRow, JsonLine, BadRow]
    assert "longer than 20 bytes" in str(rows[1]) and "rows.jsonl, line 2" in str(rows[1])


def test_a_megabyte_in_a_line_is_fine(tmp_path):
    (row,) = read(tmp_path, json.dumps({"a": "x" * 1_000_000}).encode())
    assert len(row.document["a"]) == 1_000_000


def test_progress_ends_with_the_size(tmp_path):
    path, told = tmp_path / "rows.jsonl", []
    path.write_bytes(b'{"a": 1}\nbad\n\n{"a": 2}')
    list(read_objects(path, told.append))
    assert told == [9, 13, 14, 22]


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(SoundmindError, match=path.name):
            list(read_objects(path))


@given(st.lists(OBJECTS), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_whatever_objects_are_written_are_read(tmp_path_factory, objects, end, mark, ascii_only):
    text = "".join(json.dumps(document, ensure_ascii=ascii_only) + end for document in objects)
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    path.write_bytes(text.encode("utf-8-sig" if mark else "utf-8"))
    assert [row.document for row in read_objects(path)] == objects


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line)))
def test_no_bytes_crash_the_reader_and_no_line_is_lost(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    path.write_bytes(b"\n".join(rows))
    read = list(read_objects(path))
    numbers = {row.line for row in read}
    assert len(numbers) == len(read)
    for number, line in enumerate(rows, start=1):
        blank = not line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").decode("utf-8", "replace").strip()
        assert (number in numbers) != blank


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b'{\n "a": 1,\n}', "not JSON (Expecting property name enclosed in double quotes, line 3, column 1)"),
        (b"[]", "not a JSON object but []"),
        (b'{"a": 1, "a": 2}', 'key "a": stands there twice'),
        (b"\xff", "not UTF-8 (byte 0)"),
    ],
)
def test_a_file_that_is_no_object_is_a_bad_row(tmp_path, content, reason):
    path = tmp_path / "annotation.json"
    path.write_bytes(content)
    assert read_object(path) == BadRow(path, 1, reason)


def test_a_file_that_is_an_object(tmp_path):
    path = tmp_path / "annotation.json"
    path.write_text('\ufeff{\n  "a": "b"\n}\n', encoding="utf-8")
    assert read_object(path) == JsonLine(1, {"a": "b"})
    assert read_object(tmp_path / "lost.json").reason == "cannot be read (No such file or directory)"
    assert read_object(tmp_path).reason == "cannot be read (Is a directory)"


def test_a_file_that_is_too_long_is_a_bad_row(tmp_path, monkeypatch):
    monkeypatch.setattr("soundmind_pipeline.problems.published.lines.MAX_LINE_BYTES", 8)
    path = tmp_path / "annotation.json"
    path.write_text('{"a": 1}')
    assert isinstance(read_object(path), JsonLine)
    path.write_text('{"a": 12}')
    assert read_object(path).reason == "longer than 8 bytes"

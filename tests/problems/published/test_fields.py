import pytest

from soundmind_pipeline.problems.published.fields import (
    FieldError,
    read_id,
    read_label,
    read_seconds,
    read_text,
    read_texts,
    shown,
)


@pytest.mark.parametrize(
    ("value", "label", "kind"),
    [
        (0, 0, "integer"),
        (1, 1, "integer"),
        (1.0, 1, "float"),
        (False, 0, "boolean"),
        (True, 1, "boolean"),
        ("0", 0, "string"),
        (" 1 ", 1, "string"),
        ("entailed", 1, "string"),
        ("Not-Entailed", 0, "string"),
        ("not_entailed", 0, "string"),
        ("not entailment", 0, "string"),
        ("TRUE", 1, "string"),
    ],
)
def test_labels(value, label, kind):
    assert read_label({"label": value}) == (label, kind)


@pytest.mark.parametrize(
    "value", [2, -1, 0.5, float("nan"), None, "", "yes", "entailed.", "notentailed", [1], {}, "01"]
)
def test_what_is_no_label(value):
    with pytest.raises(FieldError, match=r'key "label": must be 0 \(not entailed\) or 1 \(entailed\), is '):
        read_label({"label": value})


def test_a_missing_key_is_named():
    with pytest.raises(FieldError, match=r'key "label": must be .*, is missing'):
        read_label({})
    with pytest.raises(FieldError, match='key "answer": must be a text, is missing'):
        read_text({}, "answer")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "is null"),
        (3, "is 3"),
        (["a"], r'is \["a"\]'),
        ("", "blank"),
        (" \n\u3000", "blank"),
        ("\ud800", "surrog"),
    ],
)
def test_what_is_no_text(value, problem):
    with pytest.raises(FieldError, match=f'key "answer": .*{problem}'):
        read_text({"answer": value}, "answer")


def test_texts_stand_as_they_are():
    assert read_text({"answer": " ü\n"}, "answer") == " ü\n"
    assert read_texts({"p": "one"}, "p") == ("one",)
    assert read_texts({"p": ["one", " two"]}, "p") == ("one", " two")
    assert read_texts({"p": []}, "p") == ()


@pytest.mark.parametrize("value", [None, 1, {"a": 1}, ["a", None], ["a", ""], ["a", ["b"]]])
def test_what_is_no_list_of_texts(value):
    with pytest.raises(FieldError, match='key "p"'):
        read_texts({"p": value}, "p")


def test_ids():
    assert read_id({"id": "0001"}) == "0001"
    assert read_id({"id": 7}) == "7"
    assert read_id({"id": None}) is None and read_id({}) is None
    for value in (True, 1.5, "", ["a"]):
        with pytest.raises(FieldError, match='key "id"'):
            read_id({"id": value})


def test_durations():
    assert read_seconds({"s": 3}, "s") == 3.0
    assert read_seconds({"s": 0.25}, "s") == 0.25
    for missing in ({}, {"s": None}, {"s": float("nan")}):
        assert read_seconds(missing, "s") is None
    for value in (0, -1, "3", True, float("inf"), [3], 10**400):
        with pytest.raises(FieldError, match='key "s": must be a number of seconds above 0'):
            read_seconds({"s": value}, "s")


def test_values_are_shown_short_and_printable():
    assert shown({"a": "ü"}) == '{"a": "ü"}'
    assert shown(float("inf")) == "inf"
    assert len(shown("x" * 10**7)) == 61
    assert shown("\ud800").encode() == b'"\\ud800"'

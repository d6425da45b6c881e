"""Names of figures."""

from hypothesis import given
from hypothesis import strategies as st

from soundmind_pipeline.evaluation.keys import join_key, look_up

PARTS = st.text(st.characters(exclude_characters="\\"), min_size=1)


@given(st.lists(PARTS, min_size=1, max_size=4), st.integers())
def test_what_is_joined_is_found(parts, value):
    document = value
    for part in reversed(parts):
        document = {part: document}
    assert look_up(document, join_key(*parts)) == value


def test_what_is_not_there_is_none():
    document = {"a": {"b": 1, "cascade: tiny.en": {"n": 2}}}
    assert look_up(document, r"a.cascade: tiny\.en.n") == 2
    assert look_up(document, "a.cascade: tiny.en.n") is None
    assert look_up(document, "a.b.c") is None
    assert look_up(document, "x") is None

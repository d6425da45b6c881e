import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundmind_pipeline.problems.construction.reply import Reply, UnusableReplyError


def reply(content, reasoning=None, finish="stop", refusal=None):
    return Reply(content, reasoning, finish, refusal, 10, 20)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (reply("Answer: entailed.", " Hm. \n"), ("Hm.", "Answer: entailed.")),
        (reply("<think>\nHm.\n</think>\n\nAnswer: entailed."), ("Hm.", "Answer: entailed.")),
        (reply("Hm.</think>Answer: entailed."), ("Hm.", "Answer: entailed.")),
        (reply("Hm.\nAnswer: entailed."), ("", "Hm.\nAnswer: entailed.")),
        (reply("<think>a</think> b", "apart"), ("apart", "<think>a</think> b")),
    ],
    ids=["its own field", "tags", "opening tag in the template", "no reasoning apart", "the field wins"],
)
def test_reasoning_and_answer(given, parts):
    assert given.parts() == parts


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (reply("", refusal="I cannot help"), "refused: I cannot help"),
        (reply("", finish="content_filter"), "refused: content filter"),
        (reply("Hm, then", finish="length"), "cut off after 20 tokens"),
        (reply("  ", "Hm."), "empty"),
        (reply("<think>Hm.</think>"), "empty"),
        (reply("Answer: \ud800"), "surrogate"),
    ],
)
def test_what_cannot_be_used(given, reason):
    with pytest.raises(UnusableReplyError, match=reason):
        given.parts()


@given(st.text(st.characters()), st.none() | st.text(st.characters()))
def test_the_cache_gives_back_what_it_was_given(content, reasoning):
    kept = reply(content, reasoning)
    assert Reply.from_json(kept.to_json()) == kept


@given(st.text(st.characters(), max_size=80), st.none() | st.text(st.characters(), max_size=80))
def test_any_text_has_parts_or_a_reason(content, reasoning):
    try:
        parts = reply(content, reasoning).parts()
    except UnusableReplyError as error:
        assert str(error)
    else:
        assert parts[1] and all(part == part.strip() for part in parts)

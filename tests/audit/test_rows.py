import pytest

from soundmind_pipeline.audit.rows import excerpt, spelling_of


@pytest.mark.parametrize(
    ("answer", "spelling"),
    [
        ("x\nAnswer: not entailed.", "not entailed"),
        ("x\nAnswer: Not-Entailed", "Not-Entailed"),
        ('Answer: entailed. No:\n**answer: "not_entailed".**<|im_end|>\n', "not_entailed"),
        ("x Answer:not \n entailed!", "not entailed"),
    ],
)
def test_spellings(answer, spelling):
    assert spelling_of(answer) == spelling


def test_a_conflict_is_a_verdict_against_the_label(make_row):
    assert not make_row(label=1, verdict="entailed").is_conflict
    assert not make_row(label=0, verdict="not-entailed").is_conflict
    assert make_row(label=1, verdict="not-entailed").is_conflict
    assert make_row(label=0, verdict="ENTAILED").is_conflict


def test_an_answer_without_a_verdict_is_no_conflict(make_row):
    row = make_row(label=1, answer="It is not so, hence not entailed")
    assert (row.verdict, row.reason, row.spelling, row.is_conflict) == (None, "no_marker", None, False)
    assert (row.verdict_lenient, row.ending) == ("not entailed", "It is not so, hence not entailed")


def test_answers_in_the_think_format_are_read_too(make_row):
    row = make_row(label=1, answer="<think> Answer: entailed. Or not. </think>\nAnswer: not entailed.")
    assert (row.verdict, row.spelling, row.is_conflict) == ("not entailed", "not entailed", True)


def test_lengths_and_premises(make_row, make_prompt):
    row = make_row(user_content=make_prompt("ÜBER a", "b", "c"), answer="one two\nAnswer: entailed.")
    assert (row.answer_words, row.answer_tokens, row.question_words) == (4, 4, 18)
    assert row.major_premise == "über a" and row.content == "ÜBER a\nb\nc"
    row = make_row(user_content="is it so?")
    assert row.major_premise is None and row.content == "is it so?"


def test_excerpts_are_one_printable_line():
    assert excerpt("a\n\tb\x1b[31m\x00c") == "a b [31m c"
    assert excerpt("word " * 1000, 10) == "word word…"

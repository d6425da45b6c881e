import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundmind_pipeline.problems.published.premises import Premises, normal_form, split_prompt, words_of

PUBLISHED = (
    "Let's figure it out. You have two choices, 'entailed' means the conclusion must be true.\n\nHere's the setup:\n"
    'Major premise is "{}".\nMinor premise is "{}".\nConclusion is "{}".\n\n'
    "Your task is to decide is the conclusion 'entailed' or 'not-entailed' based on these premises"
)
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=60)


def test_the_published_prompt():
    prompt = split_prompt(PUBLISHED.format("All men are mortal", "is Tom a man?", "Tom is mortal.."))
    assert prompt.premises == Premises("All men are mortal", "is Tom a man?", "Tom is mortal..")
    assert prompt.template == " ".join(PUBLISHED.format("…", "…", "…").split())


@pytest.mark.parametrize(
    "texts",
    [
        ('He said: "no". Then left', 'the "above" definition', 'a "quoted" end"'),
        ("the conclusion is clear", "a minor premise is one", "the major premise is one"),
        ("line one\n\nline two", "b\nc", "d\n\ne"),
        ("Your task is to see", "Your task is to hear", "Your task is done"),
        ("'a'", "“b”", "c'"),
    ],
)
def test_texts_that_look_like_the_prompt(texts):
    assert split_prompt(PUBLISHED.format(*texts)).premises == texts


@pytest.mark.parametrize(
    "prompt",
    [
        'The major premise is "a b". The minor premise is "c". The conclusion is "d e". Your task is to decide "x".',
        "Major premise: a b.\nMinor premise: c.\nConclusion: d e.",
        "major  premise is “a b”\nminor premise is “c”\nconclusion is “d e”\n\nDecide whether it is “entailed”.",
        "Setup: MAJOR PREMISE is 'a b', MINOR PREMISE is 'c', CONCLUSION is 'd e'.",
        'Major premise is "a b".\r\nMinor premise is "c".\r\nConclusion is "d e".\r\n\r\nYour task is to decide.',
    ],
)
def test_other_wordings(prompt):
    assert split_prompt(prompt).premises == Premises("a b", "c", "d e")


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "if tom is happy then anna is rich but tom is happy so anna is rich.",
        'Major premise is "a".\nMinor premise is "b".',
        'Minor premise is "b".\nMajor premise is "a".\nConclusion is "c".',
        PUBLISHED.format("", "b", "c"),
        PUBLISHED.format("a", " ", "c"),
    ],
)
def test_prompts_without_a_triplet(prompt):
    assert split_prompt(prompt) is None


@given(TEXTS, TEXTS, TEXTS)
def test_any_single_line_comes_back(major, minor, conclusion):
    texts = tuple(text.strip() for text in (major, minor, conclusion))
    prompt = split_prompt(PUBLISHED.format(major, minor, conclusion))
    if all(texts) and '"' not in "".join(texts):
        assert prompt is not None and prompt.premises == texts


@given(st.text())
def test_no_prompt_crashes(text):
    split_prompt(text)
    assert normal_form(normal_form(text)) == normal_form(text)


@pytest.mark.parametrize("piece", ["Major premise is ", "conclusion is\n", "the ", "\n", "\n \t", '"', "your task is "])
def test_long_prompts_full_of_markers(piece):
    # Searching again from every marker would take minutes here.
    minor = piece * 40_000
    prompt = split_prompt(f'Major premise is "a".\nMinor premise is "x{minor}y".\nConclusion is "b".\n\nYour task is')
    assert prompt is not None
    assert prompt.premises.major == "a" and prompt.premises.minor.startswith("x")


def test_normal_form():
    assert normal_form("  The\u00a0ﬁrst\n\tSTRASSE  ") == normal_form("the first strasse")
    assert normal_form("a.") != normal_form("a")
    assert words_of("Don't: “stop”, 3.5!") == ["don", "t", "stop", "3", "5"]

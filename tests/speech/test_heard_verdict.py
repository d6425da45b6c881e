import pytest

from soundmind_pipeline.speech.heard_verdict import heard_verdict, heard_verdict_lenient
from soundmind_pipeline.speech.spoken_form import CLOSING

E, N = "entailed", "not entailed"


@pytest.mark.parametrize(
    ("transcript", "strict", "lenient"),
    [
        ("It follows. So the answer is entailed.", E, E),
        ("so the answer is not entailed", N, N),
        ("So, the answer is: NOT-ENTAILED!", N, N),
        ("So the answer isn't entailed.", N, N),
        ("So the answer's entailed.", E, E),
        ("So then, sir, is entailed.", E, E),  # the verdict itself was heard
        ("So the answer is not entailed. Thank you.", N, N),
        ("Not entailed is wrong. So the answer is entailed.", E, E),
        # what is left of the one verdict is not the other
        ("the answer is hot entailed.", None, None),
        ("So the German's heart entailed.", None, None),
        ("So the answer entailed.", None, None),
        ("So the answer is not.", None, None),
        ("So the answer is (not) entailed.", E, E),  # what stands in brackets was not said
        # the reasoning's words are not the closing's
        ("It is entailed by the first. So the answer is in detail.", None, None),
        ("It is not entailed, so the answer is on the next page.", None, None),
        ("The answer is entailed. " + "And so on, and so on, and so on.", None, None),
        # sounds like it
        ("So the answer is in tale.", None, E),
        ("So the answer is in-tailed.", None, E),
        ("So the answer is not and tailed.", None, N),
        ("So the answer is not entail.", None, N),
        ("So the answer is entails.", None, E),
        ("So the answer is hot and tailed.", None, None),
        # does not
        ("So the answer is in detail.", None, None),
        ("So the answer is not until.", None, None),
        ("So the answer is untailed.", None, None),
        ("So the answer is not to fail.", None, None),
        ("So the answer is not pigtailed.", None, None),
        ("", None, None),
        ("...", None, None),
        ("entailed", None, None),
    ],
)
def test_a_verdict_is_what_the_end_of_the_transcript_says(transcript, strict, lenient):
    assert heard_verdict(transcript) == strict
    assert heard_verdict_lenient(transcript) == lenient


@pytest.mark.parametrize("verdict", [E, N])
def test_the_closing_phrase_is_its_verdict(verdict):
    assert heard_verdict(CLOSING.format(verdict=verdict)) == verdict


def test_both_verdicts_are_lost_alike_when_any_word_of_theirs_is_misheard():
    for said in (E, N):
        words = CLOSING.format(verdict=said).rstrip(".").split()
        for place in range(len(words) - 2, len(words)):
            misheard = " ".join([*words[:place], "peter", *words[place + 1 :]])
            assert heard_verdict(misheard) is None


def test_a_transcript_of_hours_takes_no_time():
    assert heard_verdict("it is not entailed " * 50_000) == N
    assert heard_verdict("in " * 100_000) is None

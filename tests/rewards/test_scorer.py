import math
import time

import pytest

from soundmind_pipeline.rewards.params import RewardParams, RewardWeights, ShapingParams
from soundmind_pipeline.rewards.scorer import Scorer

REFERENCE = "<think>one two three four five six seven eight</think>\nAnswer: entailed."
RIGHT = "<think>one two three four</think>\nAnswer: entailed."  # half of the reference's eight words
WRONG = "<think>one two three four</think>\nAnswer: not entailed."
BROKEN = "<think>one two three four\nAnswer: entailed."


def terms(score):
    return (score.format_text, score.format_audio, score.answer, score.length_text, score.length_audio, score.total)


@pytest.mark.parametrize(
    ("response", "label", "expected"),
    [
        (REFERENCE, 1, (1, 0, 2, 1, 0, 4)),
        (RIGHT, 1, (1, 0, 2, 0.5, 0, 3.5)),
        (RIGHT, 0, (1, 0, 0, 0.5, 0, 1.5)),
        (WRONG, 0, (1, 0, 2, 0.5, 0, 3.5)),
        (BROKEN, 1, (0, 0, 0, 0, 0, 0)),
        ("", 1, (0, 0, 0, 0, 0, 0)),
        (REFERENCE.replace("eight", "eight nine ten"), 1, (1, 0, 2, 1, 0, 4)),  # never more than λ4
    ],
)
def test_text_terms_at_the_papers_weights(response, label, expected):
    assert terms(Scorer(RewardParams()).score(response, label, REFERENCE)) == expected


@pytest.mark.parametrize(
    ("seconds", "annotated", "format_audio", "length_audio"),
    [
        (5.0, 10.0, 0.5, 0.375),
        (10.0, 10.0, 0.5, 0.75),
        (40, 10, 0.5, 0.75),
        (None, 10.0, 0, 0),
        (0.0, 10.0, 0, 0),
        (-1.0, 10.0, 0, 0),
        (math.nan, 10.0, 0, 0),
        (math.inf, 10.0, 0, 0),
        (5.0, None, 0.5, 0),
        (5.0, 0.0, 0.5, 0),
        (5.0, math.nan, 0.5, 0),
        (5.0, math.inf, 0.5, 0),
    ],
)
def test_audio_terms(seconds, annotated, format_audio, length_audio):
    score = Scorer(RewardParams()).score(RIGHT, 1, REFERENCE, seconds, annotated)
    assert (score.format_audio, score.length_audio) == (format_audio, length_audio)
    assert score.total == 3.5 + format_audio + length_audio


def test_speech_without_the_format_earns_nothing():
    assert Scorer(RewardParams()).score(BROKEN, 1, REFERENCE, 10.0, 10.0).total == 0


def test_the_full_reward_is_the_sum_of_the_weights():
    assert Scorer(RewardParams()).score(REFERENCE, 1, REFERENCE, 12.0, 10.0).total == 5.25


def test_weights_scale_their_terms():
    weights = RewardWeights(format_text=3, format_audio=5, answer=7, length_text=11, length_audio=13)
    score = Scorer(RewardParams(weights=weights)).score(RIGHT, 1, REFERENCE, 5.0, 10.0)
    assert terms(score) == (3, 5, 7, 5.5, 6.5, 27)


def test_lengths_in_tokens_when_a_tokenizer_is_given():
    score = Scorer(RewardParams(), count_tokens=len).score(
        "<think>ab</think>Answer: entailed", 1, "<think>abcdefgh</think>Answer: entailed"
    )
    assert score.length_text == 0.25


def test_a_reference_is_measured_once_for_the_samples_of_a_prompt():
    measured = []
    scorer = Scorer(RewardParams(), count_tokens=lambda text: measured.append(text) or len(text))
    for _ in range(8):
        scorer.score(RIGHT, 1, REFERENCE)
    assert len(measured) == 9


@pytest.mark.parametrize("reference", ["", "<think> </think>Answer: entailed", "Answer: entailed"])
def test_a_reference_without_reasoning_gives_no_length_reward(reference):
    assert Scorer(RewardParams()).score(RIGHT, 1, reference).length_text == 0


def test_a_plain_reference_measures_a_think_response():
    assert Scorer(RewardParams()).score(RIGHT, 1, "a b c d e f g h\n\nAnswer: entailed.").length_text == 0.5


def test_the_lenient_verdict_earns_nothing():
    score = Scorer(RewardParams()).score("The claim is entailed.", 1, REFERENCE)
    assert (score.verdict, score.verdict_lenient, score.total) == (None, "entailed", 0)


@pytest.mark.parametrize("label", [2, -1, 0.5, "1", None])
def test_a_label_that_is_none_is_refused(label):
    with pytest.raises(ValueError, match="label must be 0 or 1"):
        Scorer(RewardParams()).score(RIGHT, label, REFERENCE)


def test_unknown_parameters_and_negative_weights_are_refused():
    with pytest.raises(ValueError, match="lenght"):
        RewardParams.model_validate({"weights": {"lenght": 1}})
    with pytest.raises(ValueError, match="answer"):
        RewardWeights(answer=-1)
    with pytest.raises(ValueError, match="wrong_answer"):
        ShapingParams(wrong_answer=1)


MEGABYTE = 1_000_000
HOSTILE = {
    "open tags": "<think>" * (MEGABYTE // 7),
    "half tags": "<" * MEGABYTE,
    "markers": "r Answer:" * (MEGABYTE // 9),
    "markers with verdicts": "r Answer: entailed " * (MEGABYTE // 19),
    "negations": "r Answer: not " * (MEGABYTE // 14),
    "quotes after the marker": "r Answer:" + "'" * MEGABYTE,
    "spaces in the verdict": "r Answer: not" + " " * MEGABYTE + "x",
    "underscores": "r Answer:" + "_" * MEGABYTE + "not_",
    "punctuation after the verdict": "r Answer: entailed" + "." * MEGABYTE + "x.",
    "foreign punctuation": "r Answer: entailed" + "¿、" * (MEGABYTE // 2) + "x",
    "end-of-turn tokens": "r Answer: entailed" + "<|im_end|>" * (MEGABYTE // 10) + "<|im_",
    "zero-width reasoning": "\u200b" * MEGABYTE + "Answer: entailed",
    "whitespace": " " * MEGABYTE + "Answer: entailed",
    "one word": "a" * MEGABYTE + " Answer: entailed",
    "colons": ":" * MEGABYTE,
    "negated words": "r. The answer: n't " + "not a b " * (MEGABYTE // 8),
    "expanding ligatures": "r Answer: " + "\ufdfa" * (MEGABYTE // 3),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_megabyte_takes_linear_time(text):
    # A quadratic step would take minutes here; a linear one takes some hundredths of a second.
    params = RewardParams(style="plain", shaping=ShapingParams(repetition_ngram=3, overlong_limit=100))
    wrapped = f"<think>r</think>{text}"
    started = time.process_time()
    Scorer(params).score(text, 1, text)
    Scorer(params.model_copy(update={"style": "think"})).score(wrapped, 1, wrapped)
    Scorer(params.model_copy(update={"style": "think"})).score(f"<think>{text}</think>Answer: entailed", 1, text)
    assert time.process_time() - started < 3.0

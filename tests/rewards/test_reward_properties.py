"""Properties that hold for every string, by hypothesis."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from soundmind_pipeline.rewards.params import RewardParams, ShapingParams
from soundmind_pipeline.rewards.scorer import Scorer
from soundmind_pipeline.rewards.verdict import CLOSE, OPEN, parse_verdict

PIECES = ["<think>", "</think>", "Answer:", "answer: ", "entailed", "not entailed", "not-entailed", ".", "**", '"']
PIECES += [" ", "\n", "so ", "unknown", "<|im_end|>", "<|AUDIO|>", "\u200b", "\u0435", "_", "not "]
# Pieces of the grammar in any order reach deep into the parser; free text reaches the corners of Unicode.
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.text(max_size=60))
SECONDS = st.one_of(st.none(), st.floats())
STYLES = st.sampled_from(["think", "plain"])
WORDS = st.lists(st.sampled_from(["if", "then", "not", "entailed", "answer", "so"]), min_size=1, max_size=30)
SHAPED = ShapingParams(
    malformed=-1, wrong_answer=-1.5, missing_answer=-2, overlong_limit=20, repetition_ngram=2, length_needs_answer=True
)


@settings(max_examples=400)
@given(TEXTS, TEXTS, st.sampled_from([0, 1]), SECONDS, SECONDS, STYLES)
def test_never_raises_and_stays_bounded(response, reference, label, seconds, annotated, style):
    score = Scorer(RewardParams(style=style)).score(response, label, reference, seconds, annotated)
    parts = [score.format_text, score.format_audio, score.answer, score.length_text, score.length_audio]
    for value, weight in zip(parts, (1, 0.5, 2, 1, 0.75), strict=True):
        assert 0 <= value <= weight
    assert score.total == sum(parts)
    assert (score.verdict is None) == (score.reason is not None)
    if score.verdict is None:
        assert score.total == 0
    else:
        assert score.verdict_lenient == score.verdict and score.format_text == 1


@settings(max_examples=200)
@given(TEXTS, TEXTS, st.sampled_from([0, 1]), SECONDS, SECONDS, STYLES)
def test_shaping_stays_bounded(response, reference, label, seconds, annotated, style):
    shaped = Scorer(RewardParams(style=style, shaping=SHAPED)).score(response, label, reference, seconds, annotated)
    assert math.isfinite(shaped.total) and -4 <= shaped.total <= 5.25


@settings(max_examples=200)
@given(TEXTS, st.sampled_from([0, 1]), STYLES)
def test_at_most_one_label_is_right(response, label, style):
    scorer = Scorer(RewardParams(style=style))
    answers = scorer.score(response, label, "r").answer + scorer.score(response, 1 - label, "r").answer
    assert answers in (0, 2)


@settings(max_examples=200)
@given(st.text(min_size=1, max_size=80), st.sampled_from(["entailed", "not entailed"]))
def test_whatever_is_thought_the_verdict_after_it_counts(reasoning, verdict):
    parsed = parse_verdict(f"{OPEN}{reasoning}{CLOSE}\nAnswer: {verdict}.", "think")
    if OPEN in reasoning or CLOSE in reasoning:
        assert parsed.reason == "tag_count"
    else:
        assert parsed.verdict == verdict or parsed.reason == "empty_reasoning"


@settings(max_examples=200)
@given(TEXTS, st.text(alphabet=" \n\t.!*\"'", max_size=10), STYLES)
def test_trailing_punctuation_and_whitespace_change_nothing(response, tail, style):
    before = parse_verdict(response, style)
    if before.verdict is not None:
        assert parse_verdict(response + tail, style) == before


@settings(max_examples=100)
@given(WORDS, WORDS, WORDS)
def test_more_reasoning_never_earns_less(reasoning, more, reference):
    def total(words):
        text = f"{OPEN}{' '.join(words)}{CLOSE}Answer: entailed"
        return Scorer(RewardParams()).score(text, 1, " ".join(reference)).total

    assert total(reasoning) <= total(reasoning + more)


@settings(max_examples=100)
@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.1, 100))
def test_more_speech_never_earns_less(seconds, more, annotated):
    def total(duration):
        return Scorer(RewardParams()).score("<think>r</think>Answer: entailed", 1, "r", duration, annotated).total

    assert total(seconds) <= total(seconds + more)

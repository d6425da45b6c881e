"""Each shaping option beside its exploit: the paper's form pays for it, the option does not."""

import pytest

from soundmind_pipeline.rewards.params import RewardParams, ShapingParams
from soundmind_pipeline.rewards.scorer import Scorer
from soundmind_pipeline.rewards.shaping import distinct_ngram_share, overlong_penalty

WORDS = [f"w{number}" for number in range(100)]
REFERENCE = f"<think>{' '.join(WORDS)}</think>\nAnswer: entailed."


def respond(words, verdict="entailed"):
    return f"<think>{' '.join(words)}</think>\nAnswer: {verdict}."


def total(response, label=1, **shaping):
    return Scorer(RewardParams(shaping=ShapingParams(**shaping))).score(response, label, REFERENCE).total


def test_gating_the_length_closes_padding_of_wrong_answers():
    short, padded = respond(WORDS[:10], "not entailed"), respond(WORDS, "not entailed")
    assert total(padded) - total(short) == pytest.approx(0.9)
    assert total(padded, length_needs_answer=True) == total(short, length_needs_answer=True) == 1.0
    assert total(respond(WORDS), length_needs_answer=True) == 4.0


def test_gating_the_length_holds_for_speech_too():
    scorer = Scorer(RewardParams(shaping=ShapingParams(length_needs_answer=True)))
    assert scorer.score(respond(WORDS), 0, REFERENCE, 10.0, 10.0).length_audio == 0
    assert scorer.score(respond(WORDS), 1, REFERENCE, 10.0, 10.0).length_audio == 0.75


def test_negative_rewards_close_free_guessing_and_refusing():
    wrong, refusal, broken = respond(WORDS[:1], "not entailed"), respond(WORDS[:1], "unknown"), "no idea"
    assert total(wrong) > 0  # a wrong guess still pays for its format
    logic_rl = {"malformed": -1.0, "wrong_answer": -1.5, "missing_answer": -2.0}
    assert total(wrong, **logic_rl) == pytest.approx(1 - 1.5 + 0.01)
    assert total(refusal, **logic_rl) == total(broken, **logic_rl) == -3.0  # and silence is worse than a guess
    assert total(respond(WORDS), **logic_rl) == 4.0


def test_the_overlong_penalty_closes_rambling():
    rambling = respond([f"w{number}" for number in range(1000)])
    assert total(rambling) == total(respond(WORDS)) == 4.0
    # the whole response is counted: 1,000 words joined to the tags, and the two words of the answer line
    assert total(rambling, overlong_limit=1002, overlong_share=0.5) == 3.0
    assert total(respond(WORDS), overlong_limit=1002, overlong_share=0.5) == 4.0


def test_the_overlong_penalty_falls_on_broken_responses_too():
    score = Scorer(RewardParams(shaping=ShapingParams(overlong_limit=10))).score("x " * 20, 1, REFERENCE)
    assert (score.overlong, score.total) == (-1.0, -1.0)


def test_the_repetition_discount_closes_loops():
    loop = respond(["so"] * 100)
    assert total(loop) == 4.0
    assert total(loop, repetition_ngram=3) == pytest.approx(3 + 1 / 98)  # one distinct trigram of 98
    assert total(respond(WORDS), repetition_ngram=3) == 4.0


def test_presence_closes_padding_up_to_the_annotation():
    brief, padded = respond(WORDS[:20]), respond(WORDS)
    assert total(padded) - total(brief) == pytest.approx(0.8)
    assert total(padded, presence_tokens=20) == total(brief, presence_tokens=20) == 4.0
    assert total(respond(WORDS[:19]), presence_tokens=20) == 3.0  # and closes answering without reasoning


def test_length_without_format_restores_what_the_published_script_pays():
    broken = " ".join(WORDS[:50])
    assert total(broken) == 0
    assert total(broken, length_without_format=True) == 0.5


@pytest.mark.parametrize(
    ("tokens", "penalty"),
    [(0, 0), (80, 0), (81, -0.05), (90, -0.5), (100, -1), (101, -1), (10_000, -1)],
)
def test_overlong_penalty_by_hand(tokens, penalty):
    assert overlong_penalty(tokens, limit=100, share=0.2) == pytest.approx(penalty)


def test_dapos_own_numbers():
    # L_max 20,480 and L_cache 4,096: free up to 16,384 tokens, half the penalty half way
    assert overlong_penalty(16_384, 20_480, 0.2) == 0
    assert overlong_penalty(18_432, 20_480, 0.2) == pytest.approx(-0.5)
    assert overlong_penalty(99_999, 20_480, 0.0) == 0


@pytest.mark.parametrize(
    ("text", "size", "share"),
    [
        ("a b c d", 1, 1.0),
        ("a a a a", 1, 0.25),
        ("a b a b a", 2, 0.5),
        ("a b", 3, 1.0),
        ("", 2, 1.0),
        ("a b c", 3, 1.0),
    ],
)
def test_distinct_ngram_share_by_hand(text, size, share):
    assert distinct_ngram_share(text.split(), size) == share

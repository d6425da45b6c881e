import math

import pytest

from soundmind_pipeline.speech.word_errors import WordErrors, normalise, word_errors


@pytest.mark.parametrize(
    ("reference", "transcript", "counts"),  # counts: N, S, D, I
    [
        ("tom is happy", "tom is happy", (3, 0, 0, 0)),
        ("tom is happy", "Tom, is happy!", (3, 0, 0, 0)),
        ("tom is happy", "tom was happy", (3, 1, 0, 0)),
        ("tom is happy", "tom happy", (3, 0, 1, 0)),
        ("tom is happy", "tom is very happy now", (3, 0, 0, 2)),
        ("tom is happy", "", (3, 0, 3, 0)),
        ("a b c d", "b x d e", (4, 1, 1, 1)),
        ("", "tom is", (0, 0, 0, 2)),
        ("", "", (0, 0, 0, 0)),
        ("it is not-entailed", "it's not entailed", (4, 0, 0, 0)),
        ("twenty one men", "21 men", (2, 0, 0, 0)),
        ("the colour of Dr. Smith", "the color of doctor smith", (5, 0, 0, 0)),
    ],
)
def test_hand_made_pairs(reference, transcript, counts):
    errors = word_errors([reference], [transcript])
    assert (errors.reference_words, errors.substitutions, errors.deletions, errors.insertions) == counts


def test_rates_are_pooled_over_pairs():
    errors = word_errors(["tom is happy", "so anna"], ["tom is sad", "so anna"])
    assert errors.wer == pytest.approx(1 / 5)
    # "happy" and "sad" share the a: 12 + 7 characters, one kept of happy's five, h p p y against s d
    assert (errors.reference_characters, errors.character_errors) == (19, 4)
    assert errors.cer == pytest.approx(4 / 19)


def test_a_rate_may_exceed_one_and_is_undefined_without_a_reference():
    assert word_errors(["tom"], ["a b c"]).wer == 3
    assert math.isnan(word_errors([""], ["a"]).wer)
    assert word_errors([], []) == WordErrors(0, 0, 0, 0, 0, 0)
    assert math.isnan(word_errors([], []).cer)


def test_texts_must_come_in_pairs():
    with pytest.raises(ValueError, match="2 references, but 1 transcripts"):
        word_errors(["a", "b"], ["a"])


def test_normalisation_keeps_the_verdict_apart():
    assert normalise("So the answer is NOT-entailed.") == "so the answer is not entailed"
    assert normalise("So the answer is entailed.") == "so the answer is entailed"

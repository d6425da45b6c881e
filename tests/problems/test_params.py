"""Ranges of the generator's parameters."""

import pytest
from pydantic import ValidationError

from soundmind_pipeline.problems.params import VerifiedParams


@pytest.mark.parametrize(
    ("update", "named"),
    [
        ({"sead": 1}, "sead"),
        ({"seed": -1}, "seed"),
        ({"counts": {"test": 0}}, "counts.test"),
        ({"families": {"if_then": -1}}, "families.if_then"),
        ({"families": dict.fromkeys(("if_then", "only_if", "reversed_if", "either_or", "not_both"), 0)}, "families"),
        ({"fallacies": {"AC": 1.5}}, "fallacies.AC"),
        ({"fallacies": {"MP": 0.5}}, "fallacies.MP"),
        ({"conditional_claims": {"valid": "often"}}, "conditional_claims.valid"),
        ({"names": ("Tom", "anna")}, "names"),
        ({"names": ("tom",)}, "names"),
        ({"names": ("tom", "tom")}, "names"),
        ({"adjectives": ("happy", "nothing")}, "adjectives"),  # a word of the chain of thought
        ({"dev_share": 0}, "dev_share"),
    ],
)
def test_a_bad_value_is_refused_and_named(update, named):
    with pytest.raises(ValidationError) as caught:
        VerifiedParams.model_validate(update)
    assert named in [".".join(map(str, error["loc"])) for error in caught.value.errors()]


def test_a_word_cannot_be_name_and_adjective():
    with pytest.raises(ValidationError, match="both a name and an adjective: rich"):
        VerifiedParams(names=("rich", "tom"))


def test_yaml_style_input_is_taken():
    params = VerifiedParams.model_validate({"names": ["tom", "anna"], "counts": {"train": 10}, "fallacies": {"AC": 1}})
    assert params.names == ("tom", "anna") and params.counts.train == 10 and params.counts.dev == 200
    assert params.fallacies.AC == 1.0

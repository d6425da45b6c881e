"""The base of every parameter block."""

from typing import Annotated

import pytest
from pydantic import ValidationError

from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.params import DISTINCT, Params


class Block(Params):
    names: Annotated[tuple[str, ...], DISTINCT] = ()


def test_what_is_named_twice_is_told():
    assert Block(names=("a", "b")).names == ("a", "b")
    with pytest.raises(ValidationError, match="b is named more than once"):
        Block(names=("a", "b", "b"))


@pytest.mark.parametrize(
    "evaluation",
    [
        {"controls": ["silence", "silence"]},
        {"sampling": {"settings": ["text_to_text", "text_to_text"]}},
        {"spoken": {"settings": ["text_to_audio", "text_to_audio"]}},
        {"spoken": {"policies": ["rl", "rl"]}},
    ],
)
def test_no_answer_of_the_evaluation_is_counted_twice(evaluation):
    with pytest.raises(ValidationError, match="is named more than once"):
        EvaluationParams.model_validate(evaluation)

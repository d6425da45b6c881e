import pytest
from pydantic import ValidationError

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.ablation.params import AblationParams, merged
from soundmind_pipeline.pipelines.parameters import validate_parameters


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"settings": ["full", "no_audoi"]}, "'no_audoi' has no weights; there are full, no_audio"),
        ({"weights": {"full": {"awnser": 1.0}}}, "weights.full.awnser: the terms are format_text"),
        ({"weights": {"full": {"answer": -1.0}}}, "greater than or equal to 0"),
        ({"weights": {"Full reward": {}}}, "should match pattern"),
        ({"weights": {"sft": {}}}, "weights.sft: this name is that of the policy that every setting starts from"),
        ({"rl": {"seed": 3}}, "rl.seed: has no effect here, give `seeds`"),
        ({"settings": []}, "settings: Tuple should have at least 1 item"),
        ({"settings": ["full", "full"]}, "settings: Value error, full is named more than once"),
        ({"seeds": [1, 1]}, "seeds: Value error, 1 is named more than once"),
        ({"seeds": []}, "at least 1 item"),
        ({"algorithms": ["reinforce_pp", "ppo"]}, "algorithms.1: Input should be 'reinforce_pp'"),
        ({"rl": {"stpes": 2}}, "rl.stpes: Extra inputs are not permitted"),
        ({"rl": {"sampling": {"n": "many"}}}, "rl.sampling.n: Input should be a valid integer"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(given, message):
    with pytest.raises(SoundmindError) as raised:
        validate_parameters({"ablation": given})
    assert message in str(raised.value)
    assert "ablation" in str(raised.value)


def test_partial_blocks_may_be_overridden():
    # ScheduleParams has no default learning rate: an override need not repeat the rl block's.
    assert AblationParams(rl={"schedule": {"warmup_steps": 1}}).rl["schedule"] == {"warmup_steps": 1}


def test_it_is_frozen():
    with pytest.raises(ValidationError):
        AblationParams().problems = 3


def test_nested_keys_are_merged_and_the_block_is_left_alone():
    block = {"a": {"b": 1, "c": {"d": 2}}, "e": [1, 2]}
    assert merged(block, {"a": {"c": {"f": 3}}, "e": [4]}) == {"a": {"b": 1, "c": {"d": 2, "f": 3}}, "e": [4]}
    assert block == {"a": {"b": 1, "c": {"d": 2}}, "e": [1, 2]}

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.ablation.arms import arms_of
from soundmind_pipeline.evaluation.ablation.params import AblationParams
from soundmind_pipeline.rewards.params import RewardParams, RewardWeights
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.reinforce.params import AlgorithmParams


def test_the_default_is_table_7():
    arms = {arm.name: arm for arm in arms_of(AblationParams(), RlParams())}
    lambdas = {name: tuple(arm.weights.model_dump().values()) for name, arm in arms.items()}
    assert lambdas == {
        "full": (1.0, 0.5, 2.0, 1.0, 0.75),
        "no_audio": (1.0, 0.0, 2.0, 1.0, 0.0),
        "no_text": (0.0, 1.0, 2.0, 0.0, 1.0),
        "no_answer": (1.0, 0.5, 0.0, 1.0, 0.75),
    }
    paper = {name: arm.paper for name, arm in arms.items()}
    assert paper == {"full": 0.8140, "no_audio": 0.7082, "no_text": 0.4884, "no_answer": 0.6024}
    assert {name for name, arm in arms.items() if arm.params.speaks} == {"full", "no_text", "no_answer"}


def test_the_paper_stands_beside_its_own_weights_and_algorithm_alone():
    mine = RlParams(reward=RewardParams(weights=RewardWeights(answer=3.0)))
    assert next(arm.paper for arm in arms_of(AblationParams(), mine)) is None
    assert [arm.paper for arm in arms_of(AblationParams(settings=["full"], algorithms=["grpo"]), RlParams())] == [None]
    renamed = AblationParams(settings=["deaf"], weights={"deaf": {"format_audio": 0.0, "length_audio": 0.0}})
    assert [arm.row for arm in arms_of(renamed, RlParams())] == ["no_audio"]


def test_labels_name_the_algorithm_before_the_weights():
    arms = arms_of(AblationParams(settings=["no_answer"], algorithms=["grpo", "rloo"]), RlParams())
    assert [arm.label for arm in arms] == [
        "without answer reward, grpo (λ3 = 0)",
        "without answer reward, rloo (λ3 = 0)",
    ]  # tables cut what is in brackets


def test_a_setting_of_ones_own_changes_only_its_terms():
    rl = RlParams(reward=RewardParams(weights=RewardWeights(length_text=0.25)))
    (arm,) = arms_of(AblationParams(settings=["short"], weights={"short": {"format_text": 3.0}}), rl)
    assert (arm.weights.format_text, arm.weights.length_text, arm.weights.answer) == (3.0, 0.25, 2.0)
    assert (arm.label, arm.row) == ("short", None)


def test_algorithms_bring_their_presets_and_keep_what_was_set_by_hand():
    rl = RlParams(algorithm=AlgorithmParams(name="grpo", kl_beta=0.003))
    ablation = AblationParams(settings=["full"], algorithms=["grpo", "rloo", "reinforce_pp"])
    arms = {arm.name: arm.params.algorithm for arm in arms_of(ablation, rl)}
    assert list(arms) == ["full_grpo", "full_rloo", "full_reinforce_pp"]
    assert arms["full_grpo"] == rl.algorithm
    assert arms["full_rloo"] == AlgorithmParams(name="rloo", kl_beta=0.003)
    assert arms["full_reinforce_pp"] == AlgorithmParams(kl_beta=0.003)


def test_overrides_of_the_rl_block_reach_every_arm():
    ablation = AblationParams(rl={"steps": 7, "algorithm": {"kl_beta": 0.5}, "spoken": {"enabled": False}})
    for arm in arms_of(ablation, RlParams(prompts_per_step=6)):
        assert (arm.params.steps, arm.params.prompts_per_step, arm.params.algorithm.kl_beta) == (7, 6, 0.5)
        assert not arm.params.speaks


def test_what_does_not_fit_together_names_the_setting():
    with pytest.raises(SoundmindError, match=r"minibatches must not exceed prompts_per_step \(setting full, rloo\)"):
        arms_of(AblationParams(algorithms=["rloo"], rl={"minibatches": 9}), RlParams(prompts_per_step=8))

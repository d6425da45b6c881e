import logging

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.training.params import GuardParams, RlParams
from soundmind_pipeline.training.reinforce import guards
from soundmind_pipeline.training.reinforce.params import AlgorithmParams


def history(**series):
    """Rounds from lists of figures; what is not given is as it should be."""
    usual = {"reward/total": 2.0, "policy/kl": 0.01, "rollout/tied_groups": 0.1, "policy/grad_norm": 1.0}
    names = {"reward": "reward/total", "kl": "policy/kl", "tied": "rollout/tied_groups", "norm": "policy/grad_norm"}
    length = max(len(values) for values in series.values())
    rows = [{"step": number + 1, **usual} for number in range(length)]
    for key, values in series.items():
        for row, value in zip(rows, values, strict=True):
            row[names[key]] = value
    return rows


def params(algorithm="reinforce_pp", **changes):
    return RlParams(guards=GuardParams(patience=2, **changes), algorithm=AlgorithmParams(name=algorithm))


def spoken(rows, params, caplog):
    """What the guards say round by round."""
    with caplog.at_level(logging.WARNING):
        for number in range(1, len(rows) + 1):
            guards.check(rows[:number], params)
    return [record.message for record in caplog.records]


def test_a_healthy_run_is_left_in_peace(caplog):
    assert spoken(history(reward=[1.0, 2.0, 1.5, 3.0]), params(), caplog) == []


def test_kl_blow_up_speaks_once_after_patience(caplog):
    (message,) = spoken(history(kl=[0.1, 20.0, 20.0, 20.0, 20.0]), params(), caplog)
    assert message.startswith("RL step 3") and "left the SFT policy" in message


def test_one_bad_round_is_forgiven(caplog):
    assert spoken(history(kl=[20.0, 0.1, 20.0, 0.1]), params(), caplog) == []


def test_reward_collapse_is_seen_against_the_best(caplog):
    (message,) = spoken(history(reward=[2.0, 4.0, 1.5, 0.9, 0.8]), params(), caplog)
    assert message.startswith("RL step 5") and "collapsed" in message


@pytest.mark.parametrize(("algorithm", "said"), [("reinforce_pp", 0), ("grpo", 1)])
def test_tied_groups_matter_to_group_baselines_only(caplog, algorithm, said):
    assert len(spoken(history(tied=[1.0, 1.0, 1.0]), params(algorithm), caplog)) == said


def test_stop_ends_the_run():
    with pytest.raises(SoundmindError, match=r"RL step 2.*left the SFT policy"):
        guards.check(history(kl=[20.0, 20.0]), params(action="stop"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_always_ends_the_run(value):
    with pytest.raises(SoundmindError, match="RL step 1: policy/grad_norm is"):
        guards.check(history(norm=[value]), params())

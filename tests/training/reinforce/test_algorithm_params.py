import pytest
from pydantic import ValidationError

from soundmind_pipeline.training.reinforce.params import PRESETS, AlgorithmParams


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fills_only_what_is_not_given(name):
    preset = AlgorithmParams(name=name)
    for field, value in PRESETS[name].items():
        assert getattr(preset, field) == value
    given = {"kl_estimator": "k3", "kl_beta": 0.5, "aggregation": "sequence_mean", "clip_high": 0.4}
    changed = AlgorithmParams(name=name, **given)
    assert changed.model_dump() == {**preset.model_dump(), **given}


@pytest.mark.parametrize(
    ("name", "advantage", "whitening", "kl", "aggregation", "clip_high", "dynamic", "overlong"),
    [
        ("reinforce_pp", "none", True, ("k1", "reward", 0.001), "token_mean", 0.2, False, 0),
        ("reinforce_pp_baseline", "group_mean", True, ("k2", "loss", 0.001), "token_mean", 0.2, False, 0),
        ("grpo", "group_norm", False, ("k3", "loss", 0.04), "sequence_mean", 0.2, False, 0),
        ("dr_grpo", "group_mean", False, ("k3", "loss", 0), "constant_length", 0.2, False, 0),
        ("rloo", "leave_one_out", False, ("k1", "reward", 0.001), "constant_length", 0.2, False, 0),
        ("dapo", "group_norm", False, ("k1", "reward", 0), "token_mean", 0.28, True, 0.2),
    ],
)
def test_the_presets_as_their_papers_give_them(
    name, advantage, whitening, kl, aggregation, clip_high, dynamic, overlong
):
    params = AlgorithmParams(name=name)
    assert (params.advantage, params.whitening, params.aggregation) == (advantage, whitening, aggregation)
    assert (params.kl_estimator, params.kl_placement, params.kl_beta) == kl
    assert (params.clip_low, params.clip_high, params.dual_clip) == (0.2, clip_high, None)
    assert (params.dynamic_sampling, params.overlong, params.mask_truncated) == (dynamic, overlong, False)


def test_a_preset_survives_a_round_trip():
    params = AlgorithmParams(name="dapo", overlong=0.0)
    assert AlgorithmParams.model_validate(params.model_dump()) == params


def test_the_default_is_the_papers_algorithm():
    assert AlgorithmParams() == AlgorithmParams(name="reinforce_pp")


BAD = [
    ({"name": "ppo"}, "name"),
    ({"clip": 0.2}, "clip"),
    ({"kl_beta": -1}, "kl_beta"),
    ({"dual_clip": 0.5}, "dual_clip"),
    ("grpo", "AlgorithmParams"),
]


@pytest.mark.parametrize(("given", "word"), BAD)
def test_what_is_unknown_or_out_of_range_is_named(given, word):
    with pytest.raises(ValidationError, match=word):
        AlgorithmParams.model_validate(given)


def test_what_each_preset_needs():
    presets = {name: AlgorithmParams(name=name) for name in PRESETS}
    with_reference = {name for name, params in presets.items() if params.needs_reference}
    assert with_reference == {"reinforce_pp", "reinforce_pp_baseline", "grpo", "rloo"}
    assert {name for name, params in presets.items() if not params.needs_groups} == {"reinforce_pp"}

import pytest
import torch

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.adapters import add_lora, effective_weight, has_adapter, reference_mode
from soundmind_pipeline.policy.params import LoraParams

PARAMS = LoraParams(rank=4, alpha=8.0)


def randomise(model) -> None:
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1, generator=generator)


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.arange(20, 40).unsqueeze(0)).logits


def test_only_the_language_model_is_adapted_and_trained(tiny_policy) -> None:
    before = logits(tiny_policy.model)
    assert not has_adapter(tiny_policy.model)
    model = add_lora(tiny_policy.model, PARAMS)
    assert has_adapter(model)
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert len(trained) == 2 * 7 * 2  # A and B of seven projections in two layers
    assert all("language_model.layers" in name and "lora_" in name for name in trained)
    assert torch.equal(logits(model), before)


def test_the_seed_decides_and_the_global_random_state_is_untouched(tiny_processor, tiny_params) -> None:
    from soundmind_pipeline.policy.nano import build_thinker

    def weights(seed: int) -> torch.Tensor:
        model = add_lora(build_thinker(tiny_params, tiny_processor, seed=0), PARAMS, seed)
        return torch.cat([weight.flatten() for name, weight in model.named_parameters() if "lora_A" in name])

    state = torch.get_rng_state()
    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))
    assert torch.equal(state, torch.get_rng_state())


def test_reference_mode_is_the_base_and_leaves_no_trace(tiny_policy) -> None:
    base = logits(tiny_policy.model)
    model = add_lora(tiny_policy.model, PARAMS)
    randomise(model)
    flags = {name: weight.requires_grad for name, weight in model.named_parameters()}
    adapted = logits(model)
    with reference_mode(model):
        assert torch.equal(logits(model), base)
        assert flags == {name: weight.requires_grad for name, weight in model.named_parameters()}
        with model.disable_adapter():
            assert torch.equal(logits(model), base)
        with reference_mode(model):
            pass
        assert torch.equal(logits(model), base)
    assert torch.equal(logits(model), adapted) and not torch.allclose(adapted, base)
    with pytest.raises(RuntimeError, match="inside"), reference_mode(model):
        raise RuntimeError("inside")
    assert torch.equal(logits(model), adapted)


def test_a_model_without_adapters_has_no_reference_inside(tiny_policy) -> None:
    with pytest.raises(SoundmindError, match="no adapters"), reference_mode(tiny_policy.model):
        pass


def test_effective_weight_is_what_the_layer_applies(tiny_policy) -> None:
    model = add_lora(tiny_policy.model, PARAMS)
    randomise(model)
    linear = model.get_base_model().model.language_model.layers[0].mlp.gate_proj
    base = linear.base_layer.weight
    before = base.clone()
    hidden = torch.randn(5, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(hidden @ effective_weight(linear).T, linear(hidden), atol=1e-6, rtol=1e-5)
        with reference_mode(model):
            assert effective_weight(linear) is base
    assert torch.equal(base, before)


@pytest.mark.parametrize(("target", "message"), [("nothing_like_it", "matches no module"), (".*q_proj", "audio_tower")])
def test_targets_that_miss_or_hit_the_audio_tower_are_refused(tiny_policy, target: str, message: str) -> None:
    with pytest.raises(SoundmindError, match=message):
        add_lora(tiny_policy.model, LoraParams(target=target))

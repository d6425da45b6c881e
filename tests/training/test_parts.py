import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.params import LoraParams
from soundmind_pipeline.training.parts import adapter_group, parameter_groups, parts_of


def test_parts_cover_what_audio_text_training_uses_once(tiny_policy):
    parts = parts_of(tiny_policy.model)
    names = {id(parameter): name for name, parameter in tiny_policy.model.named_parameters()}
    listed = [names[id(parameter)] for part in parts.values() for parameter in part]
    assert len(listed) == len(set(listed))
    left_out = set(names.values()) - set(listed)
    assert all("visual" in name or "audio_bos_eos" in name for name in left_out)
    assert [names[id(parameter)] for parameter in parts["embeddings"]] == ["model.language_model.embed_tokens.weight"]


def test_vectors_are_not_decayed_and_scales_are_a_parts_own(tiny_policy):
    groups = parameter_groups(parts_of(tiny_policy.model), ("embeddings", "text"), {"embeddings": 0.3}, 0.01)
    told = {group.name: (group.lr_scale, group.weight_decay) for group in groups}
    assert told == {"embeddings.matrices": (0.3, 0.01), "text.matrices": (1.0, 0.01), "text.vectors": (1.0, 0.0)}
    assert all(parameter.dim() == 1 for parameter in groups[2].parameters)


def test_adapters_are_one_group(tiny_policy):
    with pytest.raises(SoundmindError, match="no LoRA weights"):
        adapter_group(tiny_policy.model, 0.0)
    (group,) = adapter_group(add_lora(tiny_policy.model, LoraParams(rank=2)), 0.0)
    assert len(group.parameters) == 2 * 2 * 7  # A and B of 7 matrices in each of 2 layers

import re

import pytest
from pydantic import ValidationError

from soundmind_pipeline.policy.params import LoraParams, NanoPolicyParams, SamplingParams, TokenizerParams


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audio_dim": 130}, "audio_dim"),
        ({"hidden_dim": 130}, "hidden_dim"),
        ({"hidden_dim": 20, "heads": 4}, "hidden_dim"),
        ({"heads": 4, "kv_heads": 3}, "kv_heads"),
    ],
)
def test_dimensions_that_do_not_fit_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NanoPolicyParams(**change)


@pytest.mark.parametrize(
    "change", [{"n": 0}, {"max_new_tokens": 0}, {"temperature": -0.1}, {"top_p": 0.0}, {"beam": 4}]
)
def test_sampling_that_makes_no_sense_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SamplingParams(**change)


def test_the_default_lora_target_hits_every_projection_of_the_language_model_and_nothing_else() -> None:
    target = re.compile(LoraParams().target)
    for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"):
        assert target.fullmatch(f"model.language_model.layers.11.{name}")
        assert not target.fullmatch(f"model.audio_tower.layers.0.{name}")
    for name in ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"):
        assert target.fullmatch(f"model.language_model.layers.0.{name}")
    assert not target.fullmatch("model.language_model.embed_tokens")


@pytest.mark.parametrize("block", [LoraParams, NanoPolicyParams, SamplingParams, TokenizerParams])
def test_every_field_has_a_sentence(block: type) -> None:
    for name, field in block.model_fields.items():
        assert field.description and field.description.endswith("."), name

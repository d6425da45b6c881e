"""The parts of a Thinker that a training stage may train, as parameter groups."""

from collections.abc import Mapping, Sequence

from torch import nn

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.thinker import thinker_of
from soundmind_pipeline.training.engine import ParameterGroup
from soundmind_pipeline.training.params import Part


def parts_of(model: nn.Module) -> dict[Part, list[nn.Parameter]]:
    """The trainable parameters of each part of a Thinker.

    `embeddings` are the token embeddings and the output head, `text` is the rest of the language model. The vision
    tower and the audio tower's begin and end embeddings belong to no part: audio-text training never uses them, so they
    would have no gradient.
    """
    thinker = thinker_of(model)
    tower = [
        parameter for name, parameter in thinker.model.audio_tower.named_parameters() if "audio_bos_eos" not in name
    ]
    tables = [thinker.get_input_embeddings().weight, thinker.lm_head.weight]
    embeddings = list({id(table): table for table in tables}.values())
    known = {id(table) for table in embeddings}
    text = [parameter for parameter in thinker.model.language_model.parameters() if id(parameter) not in known]
    return {"audio_tower": tower, "embeddings": embeddings, "text": text}


def parameter_groups(
    parts: Mapping[Part, Sequence[nn.Parameter]],
    trained: Sequence[Part],
    lr_scale: Mapping[Part, float],
    weight_decay: float,
) -> list[ParameterGroup]:
    """Parameter groups of the parts that are trained: matrices are decayed, vectors (norms, biases) are not."""
    groups = []
    for part in trained:
        matrices = [parameter for parameter in parts[part] if parameter.dim() > 1]
        vectors = [parameter for parameter in parts[part] if parameter.dim() <= 1]
        scale = lr_scale.get(part, 1.0)
        groups += [
            ParameterGroup(f"{part}.{kind}", members, scale, decay)
            for kind, members, decay in (("matrices", matrices, weight_decay), ("vectors", vectors, 0.0))
            if members
        ]
    return groups


def adapter_group(model: nn.Module, weight_decay: float, lr_scale: float = 1.0) -> list[ParameterGroup]:
    """The LoRA weights of a `PeftModel` as one group.

    Raises:
        SoundmindError: There are none.
    """
    adapters = [parameter for name, parameter in model.named_parameters() if "lora_" in name]
    if not adapters:
        raise SoundmindError("The policy has no LoRA weights to train.", "Check lora.target, or set adaptation: full.")
    return [ParameterGroup("adapter", adapters, lr_scale, weight_decay)]

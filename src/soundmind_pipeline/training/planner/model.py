"""A policy without weights: its configuration, and the sizes of its parts on the meta device."""

import copy
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import torch

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.params import LoraParams

KNOWN: Final = {"Qwen/Qwen2.5-Omni-7B": "qwen2_5_omni_7b.json"}
"""Hub ids whose dimensions are shipped, since a plan must not need a download."""


@dataclass(frozen=True)
class PolicySize:
    """Numbers of parameters."""

    audio_tower: int
    vision_tower: int
    embeddings: int
    """Token embeddings; and the output head, unless they are one tensor."""
    text: int
    """Transformer layers and the final norm."""
    lora: int
    """Adapters; 0 without."""

    @property
    def base(self) -> int:
        """All but the adapters."""
        return self.audio_tower + self.vision_tower + self.embeddings + self.text


def thinker_config(source: str | Path) -> Any:
    """The Thinker's configuration.

    Args:
        source: A hub id of `KNOWN`, a folder with config.json, or a config.json; of a Thinker or of the whole model.

    Raises:
        SoundmindError: It is none of them, or no Qwen2.5-Omni configuration.
    """
    from transformers import Qwen2_5OmniThinkerConfig

    path = Path(source)
    file = path / "config.json" if path.is_dir() else path
    if str(source) in KNOWN:
        text = resources.files("soundmind_pipeline.policy.known").joinpath(KNOWN[str(source)]).read_text()
    elif file.is_file():
        text = file.read_text()
    else:
        raise SoundmindError(
            f"{source} is neither a folder with config.json, nor a configuration file, nor one of {', '.join(KNOWN)}.",
            "Give the model's config.json: soundmind plan --config config.json",
        )
    try:
        document = json.loads(text)
        document = document.get("thinker_config", document)
        if not all(isinstance(document.get(part), dict) for part in ("audio_config", "text_config")):
            raise ValueError("it has no audio_config and text_config")
        return Qwen2_5OmniThinkerConfig(**document)
    except (ValueError, TypeError, AttributeError) as error:
        raise SoundmindError(f"{source} holds no Qwen2.5-Omni Thinker configuration: {error}") from error


def meta_policy(config: Any, dtype: torch.dtype, lora: LoraParams | None) -> Any:
    """The model on the meta device (shapes and types, no numbers), adapters in the dtype of the weights."""
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            model: Any = Qwen2_5OmniThinkerForConditionalGeneration(copy.deepcopy(config))
    finally:
        torch.set_default_dtype(before)
    # DeepSpeed casts adapters to the precision of training, whatever PEFT makes them.
    return add_lora(model, lora).to(dtype) if lora else model


def policy_size(model: Any) -> PolicySize:
    """Numbers of parameters of a policy, adapters included."""
    lora = {id(p): p.numel() for name, p in model.named_parameters() if "lora_" in name}
    thinker = model.get_base_model() if hasattr(model, "get_base_model") else model
    embeddings = {
        id(p): p.numel() for p in (thinker.get_input_embeddings().weight, thinker.get_output_embeddings().weight)
    }

    def count(module: Any) -> int:
        return sum(p.numel() for p in module.parameters() if id(p) not in lora and id(p) not in embeddings)

    return PolicySize(
        audio_tower=count(thinker.model.audio_tower),
        vision_tower=count(thinker.model.visual),
        embeddings=sum(embeddings.values()),
        text=count(thinker.model.language_model),
        lora=sum(lora.values()),
    )

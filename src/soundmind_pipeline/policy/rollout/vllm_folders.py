"""A policy as the folders that vLLM loads: the base once, the adapter at each version."""

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from soundmind_pipeline.policy.processor import AudioTextProcessor
from soundmind_pipeline.policy.thinker import thinker_of

# Names inside our Thinker → names in the checkpoint of the whole Qwen2.5-Omni, which vLLM's mapper starts from.
_CHECKPOINT_NAMES = (
    ("model.language_model.", "thinker.model."),
    ("model.audio_tower.", "thinker.audio_tower."),
    ("lm_head.", "thinker.lm_head."),
)
# Above each adapted module in the names that PEFT gives.
_PEFT_PREFIX = "base_model.model."


def export_base(model: nn.Module, processor: AudioTextProcessor, folder: Path) -> None:
    """Write the policy without its adapters as a checkpoint of the whole Qwen2.5-Omni.

    vLLM knows the Thinker only as a part of the whole model: it asks for `thinker_config` and for weights named
    `thinker.…`. The vision tower is left out: the engine admits no images.

    Weights that ZeRO-3 has spread out are put together for the while, which is a collective call.

    Args:
        model: A Thinker or a `PeftModel` around one.
        processor: Tokenizer, feature extractor and chat template.
        folder: An existing empty folder.
    """
    from huggingface_hub import save_torch_state_dict
    from transformers import Qwen2_5OmniConfig

    thinker = thinker_of(model)
    config = Qwen2_5OmniConfig(thinker_config=thinker.config.to_dict())
    config.architectures = ["Qwen2_5OmniModel"]
    config.save_pretrained(folder)
    with _put_together(thinker):
        save_torch_state_dict(_base_weights(thinker), str(folder))
    processor.save_pretrained(folder)
    _name_vision_processors(folder / "processor_config.json")


def adapter_weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the adapter's tensors on the CPU, under names that vLLM matches with its own modules.

    Names matter: an adapter that is named otherwise is loaded without complaint and applied nowhere.
    """
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {
        _PEFT_PREFIX + _checkpoint_name(name.removeprefix(_PEFT_PREFIX)): tensor.detach().to("cpu", copy=True)
        for name, tensor in state.items()
    }


def export_adapter(model: Any, weights: dict[str, Tensor], folder: Path) -> None:
    """Write an adapter in PEFT's format.

    Args:
        model: The `PeftModel` that the adapter is of; it gives rank and scale.
        weights: `adapter_weights(model)`.
        folder: An existing empty folder.
    """
    from safetensors.torch import save_file

    config = model.peft_config[model.active_adapter]
    modules = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name in weights}
    described = {
        "peft_type": "LORA",
        "r": config.r,
        "lora_alpha": config.lora_alpha,
        "use_rslora": config.use_rslora,
        "bias": "none",
        "target_modules": sorted(modules),  # a list: a pattern over our names would say nothing to vLLM
    }
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(described, indent=2) + "\n")


def adapter_in_effect(model: nn.Module) -> bool:
    """Whether LoRA layers take part in the policy's output at this moment."""
    from peft.tuners.lora import LoraLayer

    return any(isinstance(module, LoraLayer) and not module.disable_adapters for module in model.modules())


def adapter_rank(model: Any) -> int:
    """The rank of the policy's adapter, 0 where it has none."""
    configs = getattr(model, "peft_config", None)
    return max(config.r for config in configs.values()) if configs else 0


def _put_together(model: nn.Module) -> AbstractContextManager[None]:
    """Hold weights whole that ZeRO-3 has spread out."""
    spread_out = [weight for weight in model.parameters() if hasattr(weight, "ds_id")]
    if not spread_out:
        return nullcontext()
    import deepspeed

    gathered: AbstractContextManager[None] = deepspeed.zero.GatheredParameters(spread_out)
    return gathered


def _base_weights(thinker: Any) -> dict[str, Tensor]:
    tied = thinker.config.text_config.tie_word_embeddings
    weights = {}
    for name, tensor in thinker.state_dict().items():
        left_out = name.startswith("model.visual.") or ".lora_" in name or (tied and name.startswith("lm_head."))
        if not left_out:
            weights[_checkpoint_name(name.replace(".base_layer.", "."))] = tensor
    return weights


def _checkpoint_name(name: str) -> str:
    for ours, theirs in _CHECKPOINT_NAMES:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise ValueError(f"{name} has no place in a checkpoint of Qwen2.5-Omni")


def _name_vision_processors(path: Path) -> None:
    """Complete the processor's file: vLLM builds the whole processor of Qwen2.5-Omni, images and videos included."""
    described = json.loads(path.read_text())
    described["processor_class"] = "Qwen2_5OmniProcessor"
    described["image_processor"] = {"image_processor_type": "Qwen2VLImageProcessor"}
    described["video_processor"] = {"video_processor_type": "Qwen2VLVideoProcessor"}
    path.write_text(json.dumps(described, indent=2) + "\n")

"""Low-rank adapters: adding them, switching them off for the reference policy, and their merged weights."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.params import LoraParams


def add_lora(model: nn.Module, params: LoraParams, seed: int = 0) -> Any:
    """Wrap the policy in a `PeftModel` with fresh adapters (the policy's output is unchanged: B starts at zero).

    Args:
        model: A Thinker; its weights are frozen.
        params: Rank, scale, dropout and target modules.
        seed: Seed of the adapters' A matrices; the global random state is left as it was.

    Raises:
        SoundmindError: The target matches no module, or one outside the language model.
    """
    from peft import LoraConfig, get_peft_model

    from soundmind_pipeline.policy.lora_layer import LeanLoraLinear
    from soundmind_pipeline.policy.mlp import use_lean_mlps

    config = LoraConfig(
        r=params.rank, lora_alpha=params.alpha, lora_dropout=params.dropout, target_modules=params.target, bias="none"
    )
    config._register_custom_module({nn.Linear: LeanLoraLinear})
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(seed)
        warnings.simplefilter("ignore", FutureWarning)  # between PEFT and transformers
        try:
            adapted = get_peft_model(model, config)
        except ValueError as error:
            raise SoundmindError(
                f"LoRA target {params.target!r} matches no module of the policy.",
                "Leave `target` at its default, or match names such as model.language_model.layers.0.self_attn.q_proj.",
            ) from error
    outside = [name for name, _ in _lora_layers(adapted) if "language_model.layers" not in name]
    if outside:
        raise SoundmindError(
            f"LoRA target {params.target!r} matches {outside[0]}, which is not in the language model.",
            "Restrict `target` to names that hold language_model.layers.",
        )
    use_lean_mlps(adapted)
    return adapted


def has_adapter(model: nn.Module) -> bool:
    """Whether `model` carries LoRA layers, and can thus be its own reference policy."""
    return any(True for _ in _lora_layers(model))


@contextmanager
def reference_mode(model: nn.Module) -> Iterator[None]:
    """Switch the adapters off inside the block: the model is then the frozen policy that it was built on.

    Unlike PEFT's `disable_adapter`, this leaves `requires_grad` alone, on which DeepSpeed's gradient hooks rely.

    Raises:
        SoundmindError: The model has no adapters, hence no reference inside itself.
    """
    layers = [layer for _, layer in _lora_layers(model)]
    if not layers:
        raise SoundmindError(
            "The policy has no adapters that could be switched off for the reference policy.",
            "Train with LoRA, or keep a frozen copy of the SFT policy as reference.",
        )
    before = [layer._disable_adapters for layer in layers]
    try:
        for layer in layers:
            layer._disable_adapters = True
        yield
    finally:
        for layer, disabled in zip(layers, before, strict=True):
            layer._disable_adapters = disabled


@torch.no_grad()
def effective_weight(linear: Any) -> Tensor:
    """The weight `[out, in]` that a linear layer applies, its active adapters merged in.

    Without adapters in effect this is the layer's own tensor, not a copy; the layer itself is never changed.
    """
    if not hasattr(linear, "base_layer"):
        weight: Tensor = linear.weight
        return weight
    weight = linear.base_layer.weight
    if linear.disable_adapters or linear.merged:
        return weight
    for name in linear.active_adapters:
        if name in linear.lora_A:
            weight = weight + linear.get_delta_weight(name).to(weight.dtype)
    return weight


def _lora_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    return ((name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer))

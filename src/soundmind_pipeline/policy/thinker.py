"""The Thinker inside a policy, whether adapters are wrapped around it or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def thinker_of(model: nn.Module) -> Any:
    """The `Qwen2_5OmniThinkerForConditionalGeneration` in `model`, which may be wrapped in a `PeftModel`.

    LoRA layers stand inside the Thinker, so they stay in effect.

    Raises:
        TypeError: There is no Thinker in `model`.
    """
    wrapped: Any = model
    base = wrapped.get_base_model() if hasattr(wrapped, "get_base_model") else wrapped
    if not hasattr(base, "lm_head") or not hasattr(getattr(base, "model", None), "language_model"):
        raise TypeError(f"{type(base).__name__} is no Qwen2.5-Omni Thinker")
    return base


def device_of(model: nn.Module) -> torch.device:
    """The device that inputs of the policy belong on: that of the token embeddings."""
    device: torch.device = thinker_of(model).get_input_embeddings().weight.device
    return device


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block, and each module's own mode again behind it."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True

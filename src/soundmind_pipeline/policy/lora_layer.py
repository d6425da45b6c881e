"""PEFT's LoRA layer, with fewer passes over the activations."""

from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor
from torch.autograd.function import once_differentiable

from soundmind_pipeline.policy.linear import product


class LeanLoraLinear(Linear):
    """A LoRA layer that adds the low-rank part into the base layer's output in place, in both directions.

    PEFT writes the low-rank part, its scaled copy and the sum to memory one after the other, and so does its backward
    pass: at nano size, with rows of some thousand tokens, that takes a few per cent of a round's time and a quarter of
    its memory. Values and names of the weights are PEFT's, and whatever is not plain LoRA goes PEFT's way: other
    variants, dropout, several adapters, mixed number formats, and weights that ZeRO-3 has spread out.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """`W x + b + scaling · B A x` for `[…, in]`, as PEFT computes it; without `B A x` in reference mode."""
        if args or kwargs or not self._is_plain(x):
            output: Tensor = super().forward(x, *args, **kwargs)
            return output
        name, base = self.active_adapters[0], self.base_layer
        if self.disable_adapters:
            return product(x.flatten(0, -2), base.weight, base.bias).view(*x.shape[:-1], -1)
        down, up = self.lora_A[name].weight, self.lora_B[name].weight
        output = _LowRankLinear.apply(x, base.weight, base.bias, down, up, self.scaling[name])
        return output

    def _is_plain(self, x: Tensor) -> bool:
        names = self.active_adapters
        if self.merged or len(names) != 1 or names[0] not in self.lora_A:
            return False
        if self.disable_adapters and torch.is_grad_enabled():
            return False
        name, base = names[0], self.base_layer
        weights = (base.weight, self.lora_A[name].weight, self.lora_B[name].weight)
        return (
            x.dim() > 1
            and name not in self.lora_variant
            and isinstance(self.lora_dropout[name], torch.nn.Identity)
            and self.lora_B[name].bias is None
            and not base.weight.requires_grad
            and all(weight.dtype == x.dtype and not hasattr(weight, "ds_id") for weight in weights)
            and (x.is_meta or not torch.is_autocast_enabled(x.device.type))
        )


class _LowRankLinear(torch.autograd.Function):
    """`x Wᵀ + b + s · (x Aᵀ) Bᵀ` with gradients for x, A and B."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        rows = x.flatten(0, -2)
        low = rows @ a.T
        ctx.save_for_backward(rows, low, weight, a, b)
        ctx.scale = scale
        return product(rows, weight, bias).addmm_(low, b.T, alpha=scale).view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, low, weight, a, b = ctx.saved_tensors
        needs_x, _, _, needs_a, needs_b, _ = ctx.needs_input_grad
        flat = grad.flatten(0, -2)
        grad_low = (flat @ b).mul_(ctx.scale)
        grad_x = product(flat, weight.T).addmm_(grad_low, a).view(*grad.shape[:-1], -1) if needs_x else None
        grad_a = grad_low.T @ rows if needs_a else None
        grad_b = (flat.T @ low).mul_(ctx.scale) if needs_b else None
        return grad_x, None, None, grad_a, grad_b, None

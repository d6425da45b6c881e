"""The feed-forward block, with less memory between forward and backward."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from transformers.activations import SiLUActivation
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2MLP


class LeanMlp(Qwen2MLP):
    """Transformers' block, which keeps gate and up projection for the backward pass but not silu(gate)."""

    def forward(self, hidden_state: Tensor) -> Tensor:
        """`down(silu(gate(x)) · up(x))` for `[…, hidden]`."""
        gated = _Gated.apply(self.gate_proj(hidden_state), self.up_proj(hidden_state))
        output: Tensor = self.down_proj(gated)
        return output


def use_lean_mlps(model: nn.Module) -> None:
    """Make the language model's feed-forward blocks `LeanMlp` ones; weights and their names stay."""
    for module in model.modules():
        if type(module) is Qwen2MLP and isinstance(module.act_fn, SiLUActivation):
            module.__class__ = LeanMlp


class _Gated(torch.autograd.Function):
    """`silu(gate) · up`."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return functional.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        grad_up = functional.silu(gate).mul_(grad)
        return torch.ops.aten.silu_backward(grad * up, gate), grad_up

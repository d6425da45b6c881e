import copy

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import Linear
from torch import nn

from soundmind_pipeline.policy.lora_layer import LeanLoraLinear


def layers(dropout: float = 0.0, sizes: tuple[int, int] = (6, 10)) -> tuple[nn.Module, nn.Module]:
    """PEFT's layer and ours with the same weights, the low-rank part not zero."""
    torch.manual_seed(0)
    base = nn.Linear(*sizes).requires_grad_(False)
    pair = []
    for kind in (Linear, LeanLoraLinear):
        torch.manual_seed(1)
        config = LoraConfig(r=3, lora_alpha=5.0, lora_dropout=dropout)
        layer = kind(copy.deepcopy(base), "default", config, r=3, lora_alpha=5.0)
        nn.init.normal_(layer.lora_B["default"].weight)
        pair.append(layer)
    return pair[0], pair[1]


@pytest.mark.parametrize("shape", [(6,), (4, 6), (2, 5, 6), (2, 64, 96)])
def test_values_and_gradients_are_pefts(shape):
    theirs, ours = layers(sizes=(shape[-1], 10 if shape[-1] == 6 else 128))  # the last goes through oneDNN
    torch.manual_seed(2)
    x = torch.randn(shape)
    results = []
    for layer in (theirs, ours):
        inputs = x.clone().requires_grad_(True)
        output = layer(inputs)
        output.square().sum().backward()
        gradients = [layer.lora_A["default"].weight.grad, layer.lora_B["default"].weight.grad, inputs.grad]
        results.append([output.detach(), *gradients])
    for mine, reference in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5 * float(reference.abs().max()))


@pytest.mark.parametrize("gradients", [True, False])
def test_switched_off_it_is_the_base_layer(gradients):
    with torch.set_grad_enabled(gradients):
        _check_switched_off()


def _check_switched_off():
    _, ours = layers()
    x = torch.randn(3, 6)
    adapted = ours(x)
    ours.enable_adapters(False)
    torch.testing.assert_close(ours(x), ours.base_layer(x))
    assert not torch.allclose(adapted, ours.base_layer(x))

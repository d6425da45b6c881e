import copy

import torch
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2MLP

from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.mlp import LeanMlp, use_lean_mlps
from soundmind_pipeline.policy.params import LoraParams


def test_values_and_gradients_are_those_of_transformers(tiny_policy):
    theirs = copy.deepcopy(tiny_policy.model.model.language_model.layers[0].mlp).double()
    ours = copy.deepcopy(theirs)
    use_lean_mlps(ours)
    assert type(theirs) is Qwen2MLP and type(ours) is LeanMlp
    torch.manual_seed(0)
    x = torch.randn(2, 5, theirs.hidden_size, dtype=torch.float64)
    results = []
    for block in (theirs, ours):
        inputs = x.clone().requires_grad_(True)
        output = block(inputs)
        output.square().sum().backward()
        results.append([output.detach(), inputs.grad, *(weight.grad for weight in block.parameters())])
    for mine, reference in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-10, atol=1e-12)


def test_less_is_kept_for_the_backward_pass(tiny_policy):
    block = copy.deepcopy(tiny_policy.model.model.language_model.layers[0].mlp)
    x = torch.randn(7, block.hidden_size, requires_grad=True)

    def kept(block):
        wide = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: wide.append(tensor.data_ptr()) or tensor, lambda tensor: tensor
        ):
            output = block(x)
        weights = {weight.data_ptr() for weight in block.parameters()}
        return len(set(wide) - weights), output

    before, _ = kept(block)
    use_lean_mlps(block)
    after, _ = kept(block)
    assert after == before - 1


def test_adapters_come_with_it(tiny_policy):
    model = add_lora(tiny_policy.model, LoraParams(rank=2))
    assert all(type(layer.mlp) is LeanMlp for layer in model.get_base_model().model.language_model.layers)

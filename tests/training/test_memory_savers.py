"""Offload and recomputation save memory and change nothing else."""

import functools
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.log_probs import completion_log_probs
from soundmind_pipeline.policy.params import LoraParams
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.policy.recompute import recompute_layers
from soundmind_pipeline.training.params import DevParams, ScheduleParams
from soundmind_pipeline.training.reinforce.trainer import train_rl
from soundmind_pipeline.training.sft import train_sft

DEEPSPEED = Path(__file__).parents[2] / "conf" / "base" / "deepspeed"
TOLD = {"sft": ("sft/loss", "sft/grad_norm"), "rl": ("policy/loss", "policy/grad_norm", "policy/kl", "reward/total")}


@pytest.fixture(scope="module")
def run(toy_jobs, warm_policy, tmp_path_factory):
    """Trains three SFT steps or two RL rounds under a DeepSpeed file of conf/base; the history. Each job runs once."""

    @functools.cache
    def train(job, adaptation, deepspeed, recompute=False):
        work, config = tmp_path_factory.mktemp("work"), json.loads((DEEPSPEED / f"{deepspeed}.json").read_text())
        changes = {"adaptation": adaptation, "gradient_checkpointing": recompute}
        if job == "sft":
            phases = (toy_jobs.PHASES[1].model_copy(update={"steps": 3}),)
            params = toy_jobs.SFT.model_copy(update={**changes, "phases": phases, "lora": LoraParams(rank=2)})
            return train_sft(warm_policy, *toy_jobs.toy_problem(), work, ListSink(), params, config)[1]
        slow = ScheduleParams(lr=1e-3, warmup_steps=0)
        params = toy_jobs.RL.model_copy(update={**changes, "steps": 2, "dev": DevParams(every=0), "schedule": slow})
        return train_rl(warm_policy, *toy_jobs.toy_problem(), work, ListSink(), params, config)[1]

    return train


def assert_alike(job, one, other):
    for name in TOLD[job]:
        assert one[name].tolist() == pytest.approx(other[name].tolist(), rel=1e-5, abs=1e-5), name
    assert (one[TOLD[job][1]] > 1e-3).all()  # there is a gradient


@pytest.mark.parametrize("job", ["sft", "rl"])
@pytest.mark.parametrize("adaptation", ["full", "lora"])
@pytest.mark.parametrize("deepspeed", ["zero0", "zero2", "zero3"])
def test_recomputation_changes_neither_losses_nor_gradients(run, job, adaptation, deepspeed):
    assert_alike(job, run(job, adaptation, deepspeed, recompute=True), run(job, adaptation, deepspeed))


@pytest.mark.parametrize("job", ["sft", "rl"])
@pytest.mark.parametrize("adaptation", ["full", "lora"])
@pytest.mark.parametrize("stage", [2, 3])
def test_offload_trains_alike(run, job, adaptation, stage):
    assert_alike(job, run(job, adaptation, f"zero{stage}_offload"), run(job, adaptation, f"zero{stage}"))


class Interrupt(ListSink):
    def log(self, step, metrics):
        if step == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["zero2_offload", "zero3_offload"])
def test_an_offloaded_optimizer_resumes_to_the_same_bits(toy_jobs, warm_policy, tmp_path, name):
    config, data = json.loads((DEEPSPEED / f"{name}.json").read_text()), toy_jobs.toy_problem()
    phases = (toy_jobs.PHASES[1].model_copy(update={"steps": 4}),)
    params = toy_jobs.SFT.model_copy(update={"phases": phases})
    straight, _ = train_sft(warm_policy, *data, tmp_path / "straight", ListSink(), params, config)
    with pytest.raises(KeyboardInterrupt):
        train_sft(warm_policy, *data, tmp_path / "again", Interrupt(), params, config)
    again, _ = train_sft(warm_policy, *data, tmp_path / "again", ListSink(), params, config)
    one, other = (load_file(folder.path / "model.safetensors") for folder in (straight, again))
    assert all(torch.equal(one[key], other[key]) for key in one)


def saved_bytes(model, prompts, completions):
    """Bytes that autograd keeps between the forward and the backward pass, weights left out."""
    kept, weights = {}, {weight.untyped_storage().data_ptr() for weight in model.parameters()}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        log_probs = completion_log_probs(model, prompts, completions, share_prefix=False).log_probs
    return sum(kept.values()), log_probs


@pytest.mark.parametrize("adaptation", ["full", "lora"])
def test_activations_shrink_and_gradients_stay(tiny_policy, adaptation):
    model = tiny_policy.model
    if adaptation == "lora":
        model = add_lora(model, LoraParams(rank=2))
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.fill_(0.05)
    model.train()
    prompts, completions = [Prompt((30, 31, 32) * 30)] * 4, [[40, 41, 42] * 10] * 4
    gradients = []
    for recompute in (False, True):
        if recompute:
            recompute_layers(model)
        model.zero_grad()
        kept, log_probs = saved_bytes(model, prompts, completions)
        log_probs.sum().backward()
        grads = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
        gradients.append((kept, log_probs.detach(), grads))
    (plain, expected, grads), (recomputed, found, again) = gradients
    assert recomputed < 0.5 * plain
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert grads.keys() == again.keys() and grads
    for name in grads:
        torch.testing.assert_close(grads[name], again[name], atol=1e-5, rtol=1e-5)


def test_layers_recompute_in_training_mode_only(tiny_policy):
    """Scoring in evaluation mode shares the prompt of neighbours, recomputation or not."""
    model, seen = tiny_policy.model, []
    recompute_layers(model)
    model.model.language_model.layers[0].register_forward_pre_hook(lambda layer, args: seen.append(len(args[0])))
    prompts, completions = [Prompt((30, 31, 32))] * 4, [[40, 41]] * 4
    with torch.no_grad():
        shared = completion_log_probs(model, prompts, completions).log_probs
    assert seen == [1, 4]
    model.train()
    seen.clear()
    plain = completion_log_probs(model, prompts, completions).log_probs
    assert seen == [4]
    torch.testing.assert_close(plain.detach(), shared, atol=1e-5, rtol=0)

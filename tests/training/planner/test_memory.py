"""The planned memory against what PyTorch allocates, counted allocation by allocation on the nano policy."""

import gc

import pytest
import torch
from torch import nn

from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.log_probs import completion_log_probs
from soundmind_pipeline.policy.nano import build_thinker
from soundmind_pipeline.policy.params import LoraParams, NanoPolicyParams, SamplingParams
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine
from soundmind_pipeline.training.engine import policy_engine
from soundmind_pipeline.training.params import OptimizerParams, TrainingParams
from soundmind_pipeline.training.parts import adapter_group, parameter_groups, parts_of
from soundmind_pipeline.training.planner.activations import MicroBatch
from soundmind_pipeline.training.planner.memory import (
    ZeroSettings,
    rollout_parts,
    step_parts,
    total,
    training_state,
    update_parts,
)
from soundmind_pipeline.training.planner.model import meta_policy, policy_size
from soundmind_pipeline.training.planner.plan import held_at_most
from soundmind_pipeline.training.ranks import process_group

WITHIN = 0.15
LORA = LoraParams(rank=16)
FLOAT32 = 4


class Allocations:
    """Bytes that PyTorch allocated on the CPU inside a block: `peak`, and `kept` at its end."""

    def __enter__(self):
        gc.collect()
        self._profile = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True)
        self._profile.__enter__()
        return self

    def __exit__(self, *error):
        self._profile.__exit__(*error)
        events = [event for event in self._profile.profiler.kineto_results.events() if event.name() == "[memory]"]
        self.peak = self.kept = 0
        for event in sorted(events, key=lambda event: event.start_ns()):
            self.kept += event.nbytes()
            self.peak = max(self.peak, self.kept)


@pytest.fixture
def policy(tiny_processor):
    """A nano Thinker of the default dimensions."""
    return build_thinker(NanoPolicyParams(), tiny_processor, seed=0)


def rows(batch: MicroBatch):
    """Prompts and completions of about the shape of a micro-batch."""
    prompts = [Prompt(token_ids=tuple(20 + i % 200 for i in range(batch.prompt_tokens))) for _ in range(batch.prompts)]
    repeated = [prompt for prompt in prompts for _ in range(batch.samples)]
    completion = [20 + i % 200 for i in range(batch.completion_tokens)]
    return repeated, [completion[row % 2 :] for row in range(batch.rows)]  # as in practice, some rows are padded


SHAPES = [
    MicroBatch(1, 200, 8, 100, share_prefix=True),
    MicroBatch(4, 60, 8, 60, share_prefix=True),
    MicroBatch(8, 150, 1, 80, share_prefix=False),
]


@pytest.mark.parametrize("lora", [LORA, None], ids=["lora", "full"])
@pytest.mark.parametrize("batch", SHAPES, ids=lambda batch: f"{batch.rows}x{batch.completion_tokens}")
def test_activations(policy, batch, lora):
    model = add_lora(policy, lora) if lora else policy
    if lora is None:
        text = {id(parameter) for parameter in parts_of(model)["text"]}
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in text)
    model.train()
    prompts, completions = rows(batch)
    config = policy.config
    with Allocations() as forward:
        loss = completion_log_probs(model, prompts, completions, share_prefix=batch.share_prefix).log_probs.sum()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)  # gradients are a part of their own
    with Allocations() as backward:
        loss.backward()
    measured = max(forward.peak, forward.kept + backward.peak)
    planned = total(update_parts(config, batch, torch.float32, lora, checkpointing=False))
    assert planned == pytest.approx(measured, rel=WITHIN)


class Loss(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids):
        return self.model(input_ids=ids, use_cache=False).logits.square().mean(), None


@pytest.mark.parametrize("stage", [0, 1, 2])
@pytest.mark.parametrize("lora", [LORA, None], ids=["lora", "full"])
def test_state_and_step(tiny_processor, stage, lora):
    bucket = 50_000
    config = {"zero_optimization": {"stage": stage, "reduce_bucket_size": bucket}}
    ids = torch.zeros(1, 2, dtype=torch.long)
    params = TrainingParams(threads=1)
    with process_group(1) as ranks, Allocations() as allocations:
        model = build_thinker(NanoPolicyParams(), tiny_processor, seed=0)
        thinker_config = model.config
        model = add_lora(model, lora) if lora else model
        groups = adapter_group(model, 0.0) if lora else parameter_groups(parts_of(model), ("text",), {}, 0.0)
        with policy_engine(Loss(model), groups, ranks, OptimizerParams(), params, config) as engine:
            for _ in range(2):
                engine.accumulate(ids)
                engine.update(1e-4)
    size = policy_size(meta_policy(thinker_config, torch.float32, lora))
    trained, zero = size.lora or size.text, ZeroSettings.of(config)
    state = training_state(size, trained, zero, 1, FLOAT32, reference_copy=False)
    planned = held_at_most(state, step_parts(size, thinker_config, trained, zero, 1))
    assert planned == pytest.approx(allocations.peak, rel=WITHIN)


def test_rollouts(policy, tiny_processor):
    prompts, n, prompt_tokens, new_tokens = 4, 8, 200, 100
    engine = SharedPrefixEngine(policy, tiny_processor, fuse=False)
    asked = [Prompt(token_ids=tuple(20 + i % 200 for i in range(prompt_tokens))) for _ in range(prompts)]
    sampling = SamplingParams(n=n, max_new_tokens=new_tokens, temperature=1.0)
    engine.generate(asked[:1], SamplingParams(n=1, max_new_tokens=2))
    with Allocations() as allocations:
        engine.generate(asked, sampling)
    planned = total(rollout_parts(policy.config, prompts, prompt_tokens, n, new_tokens, FLOAT32))
    assert planned == pytest.approx(allocations.peak, rel=WITHIN)

import os

import pytest
import torch
import torch.distributed as dist
from torch import nn

from soundmind_pipeline.training.engine import ParameterGroup, policy_engine
from soundmind_pipeline.training.params import OptimizerParams, TrainingParams
from soundmind_pipeline.training.ranks import process_group

X, Y = torch.randn(8, 6, generator=torch.Generator().manual_seed(1)), torch.arange(8.0)


class Regression(nn.Module):
    """Mean squared error over all eight rows, whatever part of them a micro-batch holds."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 1)

    def forward(self, rows):
        error = self.second(torch.tanh(self.first(X[rows])))[:, 0] - Y[rows]
        return error.square().sum() / len(X), {"rows": len(rows)}


def train(stage, micro_batches, steps=3, lr_scale=1.0, clip=0.5, frozen=False, folder=None):
    """Losses, gradient norms and final weights of a few steps; after two steps the engine is saved and loaded."""
    module, told = Regression(), []
    params, optimizer = TrainingParams(threads=1), OptimizerParams(max_grad_norm=clip)
    groups = [
        ParameterGroup("first", list(module.first.parameters())),
        ParameterGroup("second", list(module.second.parameters()), lr_scale),
    ]
    groups = groups[1:] if frozen else groups
    config = {"gradient_clipping": "auto", "zero_optimization": {"stage": stage}}
    with process_group(1) as ranks, policy_engine(module, groups, ranks, optimizer, params, config) as engine:
        for step in range(steps):
            loss = sum(engine.accumulate(rows)[0] for rows in micro_batches)
            told.append((loss, engine.update(0.05)))
            if folder is not None and step == 1:
                engine.save(folder)
                engine.load(folder)
        with engine.gathered():
            return told, {name: tensor.detach().clone() for name, tensor in engine.module.state_dict().items()}


def reference(steps=3, lr_scale=1.0, clip=0.5):
    """The same in plain PyTorch."""
    module, told = Regression(), []
    groups = [
        {"params": module.first.parameters(), "lr": 0.05},
        {"params": module.second.parameters(), "lr": 0.05 * lr_scale},
    ]
    adamw = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)
    for _ in range(steps):
        adamw.zero_grad()
        loss, _ = module(list(range(8)))
        loss.backward()
        norm = nn.utils.clip_grad_norm_(module.parameters(), clip)
        adamw.step()
        told.append((loss.item(), norm.item()))
    return told, module.state_dict()


def flat(told):
    return [value for pair in told for value in pair]


@pytest.mark.parametrize("stage", range(4))
@pytest.mark.parametrize("split", [[list(range(8))], [[0, 1, 2], [3], [4, 5, 6, 7]]])
def test_every_stage_and_split_trains_as_plain_pytorch_does(stage, split):
    told, state = train(stage, split, lr_scale=0.3)
    expected_told, expected = reference(lr_scale=0.3)
    assert flat(told) == pytest.approx(flat(expected_told), rel=1e-5)
    for name, tensor in expected.items():
        assert torch.allclose(state[name], tensor, atol=1e-6), name


@pytest.mark.parametrize("stage", [0, 2])
def test_saving_and_loading_changes_nothing(stage, tmp_path):
    split = [[0, 1, 2, 3], [4, 5, 6, 7]]
    told, state = train(stage, split, steps=5)
    again, restored = train(stage, split, steps=5, folder=tmp_path)
    assert told == again
    assert all(torch.equal(state[name], restored[name]) for name in state)


def test_what_is_in_no_group_is_frozen():
    _, state = train(2, [list(range(8))], frozen=True)
    start = Regression().state_dict()
    assert torch.equal(state["first.weight"], start["first.weight"])
    assert not torch.equal(state["second.weight"], start["second.weight"])


def test_loading_what_is_not_there_is_an_error(tmp_path):
    module = Regression()
    group = ParameterGroup("all", list(module.parameters()))
    with (
        process_group(1) as ranks,
        policy_engine(
            module, [group], ranks, OptimizerParams(), TrainingParams(threads=1), {"zero_optimization": {"stage": 0}}
        ) as engine,
        pytest.raises(FileNotFoundError),
    ):
        engine.load(tmp_path)


def test_the_process_is_left_as_it_was():
    before = dict(os.environ)
    with process_group(1) as ranks:
        assert (ranks.rank, ranks.world_size, ranks.is_main) == (0, 1, True)
        assert ranks.totals([1, 2.5]) == [1.0, 2.5]
        assert ranks.largest(3) == 3 and ranks.gathered("a") == ["a"] and ranks.from_main("b") == "b"
        assert dist.is_initialized()
    assert not dist.is_initialized()
    assert {name: os.environ.get(name) for name in ("RANK", "WORLD_SIZE")} == {
        name: before.get(name) for name in ("RANK", "WORLD_SIZE")
    }

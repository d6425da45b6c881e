"""Plans of the 7B and what they respond to."""

import json

import pytest
import torch

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.params import LoraParams, SamplingParams
from soundmind_pipeline.training.params import RlParams, ScheduleParams
from soundmind_pipeline.training.planner.activations import MicroBatch, saved_bytes
from soundmind_pipeline.training.planner.memory import total
from soundmind_pipeline.training.planner.model import meta_policy, policy_size, thinker_config
from soundmind_pipeline.training.planner.plan import Workload, micro_batch, plan_rl
from soundmind_pipeline.training.planner.roofline import GPUS

SEVEN_B = "Qwen/Qwen2.5-Omni-7B"
ZERO2 = {"zero_optimization": {"stage": 2, "reduce_bucket_size": "auto"}}
PARAMS = RlParams(
    precision="bfloat16",
    sampling=SamplingParams(n=8, max_new_tokens=2048),
    prompts_per_step=8,
    lora=LoraParams(rank=16),
    gradient_checkpointing=True,
    micro_batch_tokens=8192,
    schedule=ScheduleParams(lr=1e-6),
)
MINUTE = Workload(audio_seconds=60.0, text_tokens=40, new_tokens=2048)


@pytest.fixture(scope="module")
def config():
    return thinker_config(SEVEN_B)


def test_the_7b_has_the_published_number_of_parameters(config):
    size = policy_size(meta_policy(config, torch.bfloat16, None))
    assert size.base == 8_931_813_888  # the Thinker's tensors in the published checkpoint's index
    assert size.audio_tower == 639_647_232
    assert size.lora == 0


def test_a_configuration_comes_from_a_file_too(config, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"thinker_config": config.to_dict()}))
    read = thinker_config(tmp_path)
    assert read.text_config.hidden_size == config.text_config.hidden_size
    assert thinker_config(tmp_path / "config.json").audio_config.d_model == 1280


@pytest.mark.parametrize("text", ["{}", "[1]", "no json", '{"text_config": {}, "audio_config": 3}'])
def test_another_file_is_refused_by_name(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(SoundmindError, match=r"config\.json"):
        thinker_config(tmp_path / "config.json")


def test_a_place_without_configuration_is_refused(tmp_path):
    with pytest.raises(SoundmindError, match="neither a folder"):
        thinker_config(tmp_path / "nowhere")


def test_the_7b_with_adapters_fits_one_gpu(config):
    found = plan_rl(config, PARAMS, ZERO2, MINUTE, 1, GPUS["h100"])
    assert 17.8e9 < found.state[0].bytes < 18.1e9  # weights in bfloat16
    assert found.peak < 80e9
    assert found.times.total == pytest.approx(
        found.times.audio + found.times.rollout + found.times.reference + found.times.update
    )
    assert found.times.update > found.times.reference > 0


def test_all_weights_on_one_gpu_do_not_fit_and_zero_divides_them(config):
    full = PARAMS.model_copy(update={"adaptation": "full"})
    alone, eight = (plan_rl(config, full, ZERO2, MINUTE, ranks, GPUS["h800"]) for ranks in (1, 8))
    assert alone.peak > 80e9 > eight.peak
    states = [{part.name: part.bytes for part in found.state} for found in (alone, eight)]
    for name in ("gradients", "master weights", "optimizer moments"):
        assert states[1][name] == pytest.approx(states[0][name] / 8, rel=1e-6)
    assert states[0]["weights"] == states[1]["weights"]
    assert eight.peak_by_stage[2] == eight.peak
    assert sorted(eight.peak_by_stage.values(), reverse=True)[:3] == [eight.peak_by_stage[stage] for stage in range(3)]
    three = plan_rl(config, full, {"zero_optimization": {"stage": 3}}, MINUTE, 8, GPUS["h800"])
    assert three.state[0].bytes == pytest.approx(states[0]["weights"] / 8, rel=1e-6)


def test_offload_moves_the_optimizer_to_the_machine(config):
    offloaded = {"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}}
    found = plan_rl(config, PARAMS, offloaded, MINUTE, 1, GPUS["h100"])
    assert sum(part.host for part in found.state) == pytest.approx(12 * found.trained)
    assert {part.name: part.bytes for part in found.state}["optimizer moments"] == 0


def test_checkpointing_keeps_a_fraction(config):
    batch = MicroBatch(2, 1500, 1, 2000, share_prefix=False)
    whole, _ = saved_bytes(config, batch, torch.bfloat16, LoraParams(rank=16), checkpointing=False)
    inputs, layer = saved_bytes(config, batch, torch.bfloat16, LoraParams(rank=16), checkpointing=True)
    assert inputs + layer < whole / 8


@pytest.mark.parametrize(
    ("budget", "checkpointing", "expected"),
    [
        (4096, False, (1, 2, True)),  # two of a prompt's eight answers
        (20_000, False, (1, 8, True)),
        (40_000, False, (3, 8, True)),
        (8192, True, (3, 1, False)),
        (100, True, (1, 1, False)),  # one row is the least
    ],
)
def test_micro_batches_are_as_the_trainer_packs_them(budget, checkpointing, expected):
    params = PARAMS.model_copy(update={"micro_batch_tokens": budget, "gradient_checkpointing": checkpointing})
    batch = micro_batch(params, prompts=8, prompt_tokens=1500, new_tokens=1200)
    assert (batch.prompts, batch.samples, batch.share_prefix) == expected[:3]


def test_longer_answers_take_more_of_everything(config):
    longer = Workload(60.0, 40, 4096)
    short, long = (plan_rl(config, PARAMS, ZERO2, work, 1, GPUS["h100"]) for work in (MINUTE, longer))
    assert long.times.rollout > short.times.rollout
    assert total(long.rollout) >= total(short.rollout)

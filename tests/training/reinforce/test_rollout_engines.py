import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.policy.params import LoraParams, SamplingParams, VllmParams
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.training.params import DevParams, RlParams, ScheduleParams
from soundmind_pipeline.training.reinforce.rollouts import rollout_engine
from soundmind_pipeline.training.reinforce.trainer import train_rl

FAKE = Path(__file__).parents[2] / "policy" / "rollout" / "fake_vllm.py"
PARAMS = RlParams(
    threads=1,
    steps=2,
    prompts_per_step=4,
    sampling=SamplingParams(n=2, max_new_tokens=5),
    rollout_engine="vllm",
    vllm=VllmParams(max_model_len=512),
    lora=LoraParams(rank=2),
    schedule=ScheduleParams(lr=1e-3, warmup_steps=0, decay="constant"),
    dev=DevParams(every=2, problems=2),
)


@pytest.fixture
def vllm(monkeypatch):
    """The stand-in for vLLM, as what `import vllm` finds."""
    fake = SimpleNamespace(**runpy.run_path(str(FAKE)))
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return fake


def history_of(toy_policy, toy, work, zero2, params=PARAMS):
    return train_rl(toy_policy, *toy, work, ListSink(), params, zero2)[1]


@pytest.mark.parametrize("stage", [2, 3])
def test_rl_samples_with_vllm_and_reloads_the_adapter(vllm, toy_policy, toy, tmp_path, stage):
    config = {"gradient_clipping": "auto", "zero_optimization": {"stage": stage}}
    history = history_of(toy_policy, toy, tmp_path, config)
    assert (history["rollout/log_prob_agreement"] > 0.9999).all()
    assert history["eval/dev/audio_to_text/accuracy"].notna().tolist() == [False, True]
    [llm] = vllm.LLM.started
    calls = [call for call in llm.calls if isinstance(call, dict)]
    assert [len(call["prompts"]) for call in calls] == [4, 4, 2, 2]  # two rounds, dev heard and read
    first, second = (Path(call["lora_request"].lora_path).name for call in calls[:2])
    assert (first, second) == ("adapter-1", "adapter-2")
    assert llm.calls[-1] == "shutdown"


def test_the_trainers_own_log_probs_are_the_old_ones(vllm, toy_policy, toy, zero2, tmp_path, monkeypatch):
    """A sampler that computes worse shows in the agreement, not in the update."""
    exact = history_of(toy_policy, toy, tmp_path / "exact", zero2)
    processed = vllm.LLM._processed
    monkeypatch.setattr(vllm.LLM, "_processed", lambda *args: processed(*args) + 0.01 * torch.randn(()))
    rough = history_of(toy_policy, toy, tmp_path / "rough", zero2)
    assert (rough["rollout/log_prob_difference"] > 1e-3).all() and (exact["rollout/log_prob_difference"] < 1e-4).all()
    for name in ("policy/loss", "policy/kl", "policy/ratio", "policy/grad_norm"):
        assert rough[name].tolist() == pytest.approx(exact[name].tolist(), rel=1e-4, abs=1e-6), name


def test_vllm_reads_adapters_only():
    with pytest.raises(ValidationError, match="needs adaptation: lora"):
        RlParams(rollout_engine="vllm", adaptation="full")


def test_without_vllm_nothing_is_trained(toy_policy, toy, zero2, tmp_path, monkeypatch):
    monkeypatch.setattr("soundmind_pipeline.policy.rollout.vllm_engine.find_spec", lambda name: None)
    with pytest.raises(SoundmindError, match="not installed"):
        history_of(toy_policy, toy, tmp_path, zero2)


def test_the_engine_of_the_parameters_is_given(vllm, tiny_policy):
    for name, kind in (("shared_prefix", "SharedPrefixEngine"), ("vllm", "VllmEngine")):
        with rollout_engine(tiny_policy, PARAMS.model_copy(update={"rollout_engine": name})) as engine:
            assert type(engine).__name__ == kind


@pytest.mark.parametrize(("gigabytes", "batches"), [(1.0, 1), (1e-6, 3)])
def test_the_cache_is_as_large_as_the_parameters_say(tiny_policy, gigabytes, batches):
    seen = []
    tiny_policy.model.model.language_model.register_forward_pre_hook(lambda module, args: seen.append(1))
    params = PARAMS.model_copy(update={"rollout_engine": "shared_prefix", "rollout_cache_gb": gigabytes})
    with rollout_engine(tiny_policy, params) as engine:
        engine.generate([Prompt((30, 31, 32))] * 3, SamplingParams(n=2, max_new_tokens=2))
    assert len(seen) == batches

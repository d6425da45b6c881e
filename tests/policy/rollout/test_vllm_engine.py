import copy
import importlib.util
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.adapters import add_lora, reference_mode
from soundmind_pipeline.policy.log_probs import completion_log_probs
from soundmind_pipeline.policy.params import LoraParams, NanoPolicyParams, SamplingParams, VllmParams
from soundmind_pipeline.policy.prompts import Prompt, PromptEncoder
from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine
from soundmind_pipeline.policy.rollout.vllm_engine import VllmEngine, _only_device

GREEDY = SamplingParams(max_new_tokens=12, temperature=0.0)
PARAMS = VllmParams(max_model_len=1024)


@pytest.fixture
def vllm(monkeypatch):
    """The stand-in, as what `import vllm` finds."""
    fake = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("fake_vllm.py"))))
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return fake


@pytest.fixture
def prompts(tiny_processor, make_log_mel):
    """Spoken and written prompts of unequal length, mixed."""
    encoder = PromptEncoder(tiny_processor, "does it follow?")
    spoken = [encoder.encode("", make_log_mel(frames, frames), "audio") for frames in (90, 231)]
    return [spoken[0], encoder.encode("tom is happy.", None, "text"), spoken[1]]


def stir(model, seed: int = 0) -> None:
    """Give the adapters something to say."""
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.3, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def adapted(tiny_policy):
    model = add_lora(tiny_policy.model, LoraParams(rank=4, alpha=8.0)).eval()
    stir(model)
    return model


@pytest.fixture(params=[False, True], ids=["base", "lora"])
def model(request, tiny_policy):
    return request.getfixturevalue("adapted") if request.param else tiny_policy.model


@pytest.fixture
def ending(tiny_processor, model, prompts):
    """A processor whose end of turn is a token that ends some greedy completions and leaves others."""
    rows = SharedPrefixEngine(model, tiny_processor).generate(prompts, GREEDY).completions
    token = next(token for token in rows[0][2:] if any(token not in row for row in rows))
    processor = copy.deepcopy(tiny_processor)
    processor.tokenizer.eos_token = processor.tokenizer.convert_ids_to_tokens(token)
    return processor


def test_greedy_equals_the_shared_prefix_engine(vllm, model, ending, prompts) -> None:
    expected = SharedPrefixEngine(model, ending).generate(prompts, GREEDY)
    rollouts = VllmEngine(model, ending, PARAMS).generate(prompts, GREEDY)
    assert rollouts.completions == expected.completions
    assert rollouts.finished == expected.finished and {True, False} == set(rollouts.finished)


def test_log_probs_agree_with_scoring(vllm, model, tiny_processor, prompts) -> None:
    engine = VllmEngine(model, tiny_processor, PARAMS)
    sampling = SamplingParams(n=4, max_new_tokens=10, temperature=0.7)
    rollouts = engine.generate(prompts, sampling, torch.Generator().manual_seed(0))
    rows = [prompt for prompt in prompts for _ in range(4)]
    with torch.no_grad():
        scored = completion_log_probs(model, rows, rollouts.completions, temperature=0.7, banned_ids=engine.banned_ids)
    assert [len(part) for part in rollouts.log_probs] == list(scored.lengths)
    assert all(part.dtype == torch.float32 for part in rollouts.log_probs)
    torch.testing.assert_close(torch.cat(rollouts.log_probs), scored.log_probs, atol=1e-4, rtol=0)


def test_control_tokens_are_never_sampled(vllm, tiny_policy, prompts) -> None:
    engine = VllmEngine(tiny_policy.model, tiny_policy.processor, PARAMS)
    assert engine.banned_ids == SharedPrefixEngine(tiny_policy.model, tiny_policy.processor).banned_ids
    sampling = SamplingParams(n=16, max_new_tokens=12, temperature=2.0)
    rollouts = engine.generate(prompts, sampling, torch.Generator().manual_seed(0))
    drawn = {token for row in rollouts.completions for token in row}
    assert len(drawn) > 100 and drawn.isdisjoint(engine.banned_ids)


def test_the_seed_decides_and_samples_differ(vllm, tiny_policy, prompts) -> None:
    engine = VllmEngine(tiny_policy.model, tiny_policy.processor, PARAMS)
    first, again, other = (
        engine.generate(
            [prompts[1], prompts[1]], SamplingParams(n=3, max_new_tokens=8), torch.Generator().manual_seed(seed)
        ).completions
        for seed in (1, 1, 2)
    )
    assert first == again and first != other
    assert len({tuple(row) for row in first}) == 6


def test_greedy_samples_are_repeated(vllm, tiny_policy, prompts) -> None:
    engine = VllmEngine(tiny_policy.model, tiny_policy.processor, PARAMS)
    twice = engine.generate(prompts, GREEDY.model_copy(update={"n": 2}))
    once = engine.generate(prompts, GREEDY)
    assert twice.completions == [row for row in once.completions for _ in range(2)]
    assert len(twice.log_probs) == len(twice.finished) == 6


def test_what_vllm_is_told(vllm, adapted, tiny_processor) -> None:
    prompt = PromptEncoder(tiny_processor, "").encode("tom is happy.", None, "text")
    params = VllmParams(gpu_memory_utilization=0.25, max_model_len=100_000, enforce_eager=True)
    VllmEngine(adapted, tiny_processor, params).generate([prompt], SamplingParams(n=2, max_new_tokens=5))
    [llm] = vllm.LLM.started
    assert (
        llm.arguments.items()
        >= {
            "dtype": "float32",
            "gpu_memory_utilization": 0.25,
            "max_model_len": 4096,  # what the policy was built for
            "max_num_batched_tokens": 8192,
            "enforce_eager": True,
            "enable_sleep_mode": True,
            "limit_mm_per_prompt": {"audio": 1, "image": 0, "video": 0},
            "logprobs_mode": "processed_logprobs",
            "enable_lora": True,
            "max_lora_rank": 8,  # the least that vLLM admits for rank 4
        }.items()
    )
    [settings] = llm.calls[0]["sampling_params"]
    assert (settings.n, settings.max_tokens, settings.logprobs, settings.detokenize) == (2, 5, 0, False)
    assert settings.ignore_eos and settings.stop_token_ids == [tiny_processor.tokenizer.eos_token_id]
    assert llm.calls[0]["prompts"] == [{"prompt_token_ids": list(prompt.token_ids)}]


def test_each_version_of_the_adapter_is_loaded_once_under_its_own_name(vllm, adapted, tiny_processor, prompts) -> None:
    engine = VllmEngine(adapted, tiny_processor, PARAMS.model_copy(update={"sleep": False}))
    peer = SharedPrefixEngine(adapted, tiny_processor)
    completions = []
    for seed in (0, 0, 1):
        stir(adapted, seed)
        completions.append(engine.generate(prompts, GREEDY).completions)
        assert completions[-1] == peer.generate(prompts, GREEDY).completions
    assert completions[0] == completions[1] != completions[2]
    [llm] = vllm.LLM.started
    requests = [call["lora_request"] for call in llm.calls]
    assert [(each.lora_name, each.lora_int_id) for each in requests] == [("policy-1", 1)] * 2 + [("policy-2", 2)]
    assert not Path(requests[0].lora_path).exists() and Path(requests[2].lora_path).exists()


def test_the_reference_policy_is_sampled_without_the_adapter(vllm, adapted, tiny_processor, prompts) -> None:
    engine = VllmEngine(adapted, tiny_processor, PARAMS)
    live = engine.generate(prompts, GREEDY).completions
    with reference_mode(adapted):
        base = engine.generate(prompts, GREEDY).completions
        assert base == SharedPrefixEngine(adapted, tiny_processor).generate(prompts, GREEDY).completions
    assert base != live and engine.generate(prompts, GREEDY).completions == live


def test_memory_is_handed_back_between_rollouts_and_the_adapter_loaded_anew(vllm, adapted, tiny_processor, prompts):
    engine = VllmEngine(adapted, tiny_processor, PARAMS)
    engine.generate(prompts, GREEDY)
    engine.generate(prompts, GREEDY)
    [llm] = vllm.LLM.started
    assert [call if isinstance(call, (str, tuple)) else call["lora_request"].lora_int_id for call in llm.calls] == [
        1, ("sleep", 1), "wake_up", 2, ("sleep", 1)
    ]  # fmt: skip


def test_closing_ends_vllm_once(vllm, tiny_policy, prompts) -> None:
    engine = VllmEngine(tiny_policy.model, tiny_policy.processor, PARAMS)
    engine.generate(prompts, GREEDY)
    folder, [llm] = Path(engine._folder.name), vllm.LLM.started
    engine.close()
    engine.close()
    assert llm.calls.count("shutdown") == 1 and not folder.exists()
    VllmEngine(tiny_policy.model, tiny_policy.processor, PARAMS).close()  # never started


def test_a_policy_without_adapters_needs_no_lora(vllm, tiny_policy, prompts) -> None:
    VllmEngine(tiny_policy.model, tiny_policy.processor, PARAMS).generate(prompts, GREEDY)
    [llm] = vllm.LLM.started
    assert not llm.arguments["enable_lora"] and llm.calls[0]["lora_request"] is None


def test_folders_name_weights_as_the_published_checkpoint_does(vllm, adapted, tiny_processor, prompts) -> None:
    engine = VllmEngine(adapted, tiny_processor, PARAMS)
    engine.generate(prompts, GREEDY)
    folder = Path(engine._folder.name)
    with safe_open(folder / "base" / "model.safetensors", "pt") as file:
        base = set(file.keys())
    assert {
        "thinker.model.embed_tokens.weight",
        "thinker.model.layers.0.self_attn.q_proj.weight",
        "thinker.model.norm.weight",
        "thinker.audio_tower.conv1.weight",
    } <= base
    assert not [name for name in base if "lora" in name or "base_layer" in name or "visual" in name]
    with safe_open(folder / "adapter-1" / "adapter_model.safetensors", "pt") as file:
        adapter = set(file.keys())
    assert "base_model.model.thinker.model.layers.0.self_attn.q_proj.lora_A.weight" in adapter
    assert len(adapter) == 2 * 2 * 7  # two layers, seven matrices, A and B


def test_the_policy_itself_is_left_as_it_was(vllm, adapted, tiny_processor, prompts) -> None:
    before = {name: tensor.clone() for name, tensor in adapted.state_dict().items()}
    VllmEngine(adapted.train(), tiny_processor, PARAMS).generate(prompts, GREEDY)
    assert adapted.training
    assert all(torch.equal(before[name], tensor) for name, tensor in adapted.state_dict().items())


def test_progress_and_no_prompts(vllm, tiny_policy, prompts) -> None:
    engine = VllmEngine(tiny_policy.model, tiny_policy.processor, PARAMS)
    assert engine.generate([], GREEDY).completions == [] and not vllm.LLM.started
    calls: list[tuple[int, int]] = []
    engine.generate(prompts, GREEDY, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(3, 3)]


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        (SamplingParams(top_k=5), "whole distribution"),
        (SamplingParams(top_p=0.9), "whole distribution"),
        (SamplingParams(max_new_tokens=1020), "exceed the 1024 tokens"),
    ],
)
def test_what_vllm_cannot_do_is_refused(vllm, tiny_policy, prompts, sampling, message) -> None:
    with pytest.raises(SoundmindError, match=message):
        VllmEngine(tiny_policy.model, tiny_policy.processor, PARAMS).generate(prompts, sampling)


def test_a_spoken_prompt_needs_its_log_mel(vllm, tiny_policy, prompts) -> None:
    bare = Prompt(prompts[0].token_ids, audio_embeds=torch.zeros(1, 32))
    with pytest.raises(SoundmindError, match="without log-mel"):
        VllmEngine(tiny_policy.model, tiny_policy.processor, PARAMS).generate([bare], GREEDY)


def test_a_prompt_read_otherwise_is_an_error(vllm, tiny_policy, prompts) -> None:
    engine = VllmEngine(tiny_policy.model, tiny_policy.processor, PARAMS)
    engine.generate(prompts, GREEDY)
    vllm.LLM.started[0].expands_wrongly = 1
    with pytest.raises(SoundmindError, match="counts places of audio differently"):
        engine.generate(prompts, GREEDY)


def test_a_failed_start_says_what_to_do(vllm, tiny_policy, prompts, monkeypatch) -> None:
    def fail(**_):
        raise ValueError("Free memory on device is less than desired GPU memory utilization")

    monkeypatch.setattr(sys.modules["vllm"], "LLM", fail)
    with pytest.raises(SoundmindError, match=r"did not start: Free memory.*\n.*gpu_memory_utilization"):
        VllmEngine(tiny_policy.model, tiny_policy.processor, PARAMS).generate(prompts, GREEDY)


def test_without_vllm_the_error_says_how_to_get_it(tiny_policy, monkeypatch) -> None:
    monkeypatch.setattr("soundmind_pipeline.policy.rollout.vllm_engine.find_spec", lambda name: None)
    with pytest.raises(SoundmindError, match="pip install vllm"):
        VllmEngine(tiny_policy.model, tiny_policy.processor)


@pytest.mark.parametrize(("before", "seen"), [(None, "1"), ("4,6", "6"), ("GPU-a,GPU-b", "GPU-b")])
def test_vllm_sees_the_ranks_own_gpu_only(monkeypatch, before, seen) -> None:
    import os

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if before is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    with _only_device(torch.device("cuda", 1)):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == seen
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
    with _only_device(torch.device("cpu")):
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == before


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
def test_vllm_itself_agrees(tiny_processor, make_log_mel) -> None:
    """The same on the real thing, GPU or CPU build: two versions of an adapter, greedy and sampled."""
    from soundmind_pipeline.policy.nano import build_thinker

    dimensions = NanoPolicyParams(audio_dim=32, audio_layers=1, audio_heads=2, hidden_dim=128, heads=2, kv_heads=1)
    model = add_lora(build_thinker(dimensions, tiny_processor, seed=0), LoraParams(rank=4)).eval()
    if torch.cuda.is_available():
        model = model.to("cuda")
    encoder = PromptEncoder(tiny_processor, "does it follow?")
    prompts = [encoder.encode("", make_log_mel(frames, frames), "audio") for frames in (90, 3301)]
    prompts.append(encoder.encode("tom is happy.", None, "text"))
    on_gpu = torch.cuda.is_available()
    engine = VllmEngine(model, tiny_processor, VllmParams(max_model_len=2048, sleep=on_gpu, enforce_eager=True))
    peer = SharedPrefixEngine(model, tiny_processor)
    for seed in (0, 1):
        stir(model, seed)
        assert engine.generate(prompts, GREEDY).completions == peer.generate(prompts, GREEDY).completions
        rollouts = engine.generate(prompts, SamplingParams(n=8, max_new_tokens=16, temperature=0.8))
        rows = [prompt for prompt in prompts for _ in range(8)]
        with torch.no_grad():
            scored = completion_log_probs(
                model, rows, rollouts.completions, temperature=0.8, banned_ids=engine.banned_ids
            )
        torch.testing.assert_close(torch.cat(rollouts.log_probs), scored.log_probs.cpu(), atol=5e-3, rtol=0)
    engine.close()

import copy

import pytest
import torch

from soundmind_pipeline.policy.adapters import add_lora, reference_mode
from soundmind_pipeline.policy.batch import prompt_batch
from soundmind_pipeline.policy.log_probs import completion_log_probs
from soundmind_pipeline.policy.params import LoraParams, SamplingParams
from soundmind_pipeline.policy.prompts import PromptEncoder
from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine


@pytest.fixture
def prompts(tiny_processor, make_log_mel):
    """Spoken and written prompts of unequal length, mixed."""
    encoder = PromptEncoder(tiny_processor, "does it follow?")
    spoken = [encoder.encode("", make_log_mel(frames, frames), "audio") for frames in (90, 230, 201, 437)]
    written = [encoder.encode(text, None, "text") for text in ("tom is happy.", "either anna is poor or tom is sad.")]
    return [spoken[0], written[0], *spoken[1:3], written[1], spoken[3]]


@pytest.fixture(params=[False, True], ids=["base", "lora"])
def model(request, tiny_policy):
    if not request.param:
        return tiny_policy.model
    model = add_lora(tiny_policy.model, LoraParams(rank=4))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    return model.eval()


def ending_at(processor, token: int):
    """A processor whose end of turn is another token, so that random weights reach it."""
    processor = copy.deepcopy(processor)
    processor.tokenizer.eos_token = processor.tokenizer.convert_ids_to_tokens(token)
    return processor


def hugging_face(model, prompts, max_new_tokens: int, eos: int, banned) -> list[list[int]]:
    batch = prompt_batch(model, prompts)
    clips = [torch.from_numpy(prompt.log_mel) for prompt in prompts if prompt.log_mel is not None]
    lengths = torch.tensor([len(clip) for clip in clips])
    features = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True).transpose(1, 2)
    rows = model.generate(
        input_ids=batch.token_ids,
        attention_mask=batch.mask.long(),
        input_features=features,
        feature_attention_mask=(torch.arange(features.shape[-1]) < lengths.unsqueeze(-1)).long(),
        max_new_tokens=max_new_tokens,
        do_sample=False,
        suppress_tokens=list(banned),
        eos_token_id=eos,
        pad_token_id=0,
    )[:, batch.token_ids.shape[1] :].tolist()
    return [row[: row.index(eos) + 1] if eos in row else row for row in rows]


@pytest.fixture
def middle_token(model, tiny_processor, prompts) -> int:
    """A token that ends some greedy completions early and others late or never."""
    rows = SharedPrefixEngine(model, tiny_processor).generate(prompts, SamplingParams(max_new_tokens=24, temperature=0))
    firsts = {
        token: {row.index(token) if token in row else 99 for row in rows.completions}
        for row in rows.completions
        for token in row[2:]
    }
    return max(firsts, key=lambda token: (len(firsts[token]), token))


@pytest.mark.parametrize("fuse", [True, False])
def test_greedy_equals_generate_on_padded_batches_with_mid_batch_end(
    model, tiny_processor, prompts, middle_token, fuse
) -> None:
    processor = ending_at(tiny_processor, middle_token)
    engine = SharedPrefixEngine(model, processor, fuse=fuse)
    rollouts = engine.generate(prompts, SamplingParams(max_new_tokens=24, temperature=0))
    expected = hugging_face(model, prompts, 24, middle_token, engine.banned_ids)
    assert rollouts.completions == expected
    assert len({len(row) for row in expected}) > 1  # some did end early
    assert rollouts.finished == [row[-1] == middle_token for row in expected]


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("cache_bytes", [1 << 30, 1])
def test_log_probs_agree_with_scoring(model, tiny_processor, prompts, middle_token, fuse, cache_bytes) -> None:
    processor = ending_at(tiny_processor, middle_token)
    engine = SharedPrefixEngine(model, processor, fuse=fuse, max_cache_bytes=cache_bytes)
    sampling = SamplingParams(n=8, max_new_tokens=24, temperature=0.8)
    rollouts = engine.generate(prompts, sampling, torch.Generator().manual_seed(0))
    assert len(rollouts.completions) == 48 and 0 < sum(rollouts.finished) < 48
    with torch.no_grad():
        scored = completion_log_probs(
            model,
            [prompt for prompt in prompts for _ in range(8)],
            rollouts.completions,
            temperature=0.8,
            banned_ids=engine.banned_ids,
        )
    assert [len(part) for part in rollouts.log_probs] == list(scored.lengths)
    torch.testing.assert_close(torch.cat(rollouts.log_probs), scored.log_probs, atol=1e-4, rtol=0)
    assert not any(part.requires_grad for part in rollouts.log_probs)


def test_fused_and_live_layers_draw_the_same(model, tiny_processor, prompts) -> None:
    sampling = SamplingParams(n=4, max_new_tokens=16)
    fused, live = (
        SharedPrefixEngine(model, tiny_processor, fuse=fuse).generate(
            prompts, sampling, torch.Generator().manual_seed(3)
        )
        for fuse in (True, False)
    )
    assert fused.completions == live.completions


def test_the_seed_decides_and_samples_differ(tiny_policy, prompts) -> None:
    engine = SharedPrefixEngine(tiny_policy.model, tiny_policy.processor)
    first, again, other = (
        engine.generate(prompts, SamplingParams(n=4, max_new_tokens=12), torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert first.completions == again.completions
    assert all(torch.equal(a, b) for a, b in zip(first.log_probs, again.log_probs, strict=True))
    assert first.completions != other.completions
    for start in range(0, 24, 4):
        assert len({tuple(row) for row in first.completions[start : start + 4]}) == 4


def test_weights_are_read_at_each_call(model, tiny_processor, prompts) -> None:
    engine = SharedPrefixEngine(model, tiny_processor)
    greedy = SamplingParams(max_new_tokens=8, temperature=0)
    before = engine.generate(prompts, greedy).completions
    weight = next(w for name, w in model.named_parameters() if "layers.1.mlp.down_proj" in name and w.requires_grad)
    with torch.no_grad():
        weight.mul_(-3)
    assert engine.generate(prompts, greedy).completions != before


def test_adapters_switched_off_are_not_merged(tiny_policy, prompts) -> None:
    greedy = SamplingParams(max_new_tokens=12, temperature=0)
    base = SharedPrefixEngine(tiny_policy.model, tiny_policy.processor).generate(prompts, greedy).completions
    model = add_lora(tiny_policy.model, LoraParams(rank=4))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    engine = SharedPrefixEngine(model, tiny_policy.processor)
    assert engine.generate(prompts, greedy).completions != base
    with reference_mode(model):
        assert engine.generate(prompts, greedy).completions == base


def test_control_tokens_are_never_sampled(tiny_policy, prompts) -> None:
    """At a temperature so high that all tokens are about equally likely, some 4,000 tokens."""
    engine = SharedPrefixEngine(tiny_policy.model, tiny_policy.processor)
    sampling = SamplingParams(n=32, max_new_tokens=24, temperature=100.0)
    rollouts = engine.generate(prompts, sampling, torch.Generator().manual_seed(0))
    drawn = {token for row in rollouts.completions for token in row}
    assert rollouts.tokens > 4000 and len(drawn) > 300
    assert drawn.isdisjoint(engine.banned_ids)
    assert tiny_policy.processor.tokenizer.eos_token_id in drawn
    for row, end in zip(rollouts.completions, rollouts.finished, strict=True):
        assert tiny_policy.processor.tokenizer.eos_token_id not in row[:-1]
        assert end == (row[-1] == tiny_policy.processor.tokenizer.eos_token_id)


def test_long_completions_outgrow_the_first_room_and_are_flagged(tiny_policy, prompts, monkeypatch) -> None:
    monkeypatch.setattr("soundmind_pipeline.policy.rollout.decoder._FIRST_ROOM", 4)
    engine = SharedPrefixEngine(tiny_policy.model, tiny_policy.processor)
    rollouts = engine.generate(prompts, SamplingParams(max_new_tokens=13, temperature=0))
    assert [len(row) for row in rollouts.completions] == [13] * 6
    assert rollouts.finished == [False] * 6
    eos = tiny_policy.processor.tokenizer.eos_token_id
    assert rollouts.completions == hugging_face(tiny_policy.model, prompts, 13, eos, engine.banned_ids)


def test_each_clip_is_heard_once_and_each_prompt_read_once(tiny_policy, prompts) -> None:
    heard, read = [], []
    inner = tiny_policy.model.model
    inner.audio_tower.register_forward_pre_hook(
        lambda module, args, kwargs: heard.append(len(kwargs["feature_lens"])), with_kwargs=True
    )
    inner.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(tuple(kwargs["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    engine = SharedPrefixEngine(tiny_policy.model, tiny_policy.processor)
    engine.generate(prompts, SamplingParams(n=8, max_new_tokens=6))
    assert heard == [4] and read == [(6, max(map(len, prompts)))]


def test_audio_embeddings_at_hand_spare_the_tower(tiny_policy, prompts) -> None:
    from soundmind_pipeline.policy.audio_tower import encode_audio

    engine = SharedPrefixEngine(tiny_policy.model, tiny_policy.processor)
    greedy = SamplingParams(max_new_tokens=8, temperature=0)
    expected = engine.generate(prompts, greedy).completions
    with torch.no_grad():
        cached = [
            prompt.with_audio_embeds(encode_audio(tiny_policy.model, [prompt.log_mel])[0])
            if prompt.log_mel is not None
            else prompt
            for prompt in prompts
        ]
    tiny_policy.model.model.audio_tower.register_forward_pre_hook(lambda *_: pytest.fail("the tower was run"))
    assert engine.generate(cached, greedy).completions == expected


def test_batches_are_bounded_by_memory_and_a_prompt_is_never_divided(tiny_policy, prompts) -> None:
    """A token costs 2 (keys, values) · 2 layers · 2 heads · 8 wide · 4 bytes = 256 bytes."""
    sampling = SamplingParams(n=4, max_new_tokens=10)
    order = sorted(range(6), key=lambda i: len(prompts[i]))

    def batches(tokens: int) -> list[list[int]]:
        engine = SharedPrefixEngine(tiny_policy.model, tiny_policy.processor, max_cache_bytes=tokens * 256)
        return engine._batches(prompts, sampling)

    assert batches(1) == [[i] for i in order]
    assert batches(100_000) == [order]
    two = 2 * (len(prompts[order[1]]) + 40)
    assert batches(two)[0] == order[:2] and batches(two - 1)[0] == order[:1]


def test_progress_counts_up_to_all(tiny_policy, prompts) -> None:
    calls: list[tuple[int, int]] = []
    engine = SharedPrefixEngine(tiny_policy.model, tiny_policy.processor, max_cache_bytes=1)
    engine.generate(
        prompts, SamplingParams(n=2, max_new_tokens=5), progress=lambda done, total: calls.append((done, total))
    )
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1] == (12, 12) and {total for _, total in calls} == {12}


def test_modes_and_gradients_are_left_as_they_were(tiny_policy, prompts) -> None:
    model = tiny_policy.model.train()
    model.model.audio_tower.eval()
    SharedPrefixEngine(model, tiny_policy.processor).generate(prompts, SamplingParams(max_new_tokens=3))
    assert model.training and model.lm_head.training and not model.model.audio_tower.training
    assert torch.is_grad_enabled() and all(weight.grad is None for weight in model.parameters())


def test_no_prompts_no_completions(tiny_policy) -> None:
    rollouts = SharedPrefixEngine(tiny_policy.model, tiny_policy.processor).generate([], SamplingParams())
    assert rollouts.completions == [] and rollouts.tokens == 0


@pytest.mark.parametrize("fuse", [True, False])
def test_bfloat16_policies_run(tiny_policy, prompts, fuse) -> None:
    model = tiny_policy.model.to(torch.bfloat16)
    rollouts = SharedPrefixEngine(model, tiny_policy.processor, fuse=fuse).generate(
        prompts, SamplingParams(n=2, max_new_tokens=6), torch.Generator().manual_seed(0)
    )
    assert len(rollouts.completions) == 12
    assert all(part.dtype == torch.float32 and part.isfinite().all() for part in rollouts.log_probs)

import pytest
import torch

from soundmind_pipeline.policy.audio_tower import encode_audio
from soundmind_pipeline.policy.batch import audio_of, embed_prompts, pad_rows, prompt_batch
from soundmind_pipeline.policy.prompts import PromptEncoder


def test_padding_left_and_right_with_positions() -> None:
    left = pad_rows([[5, 6, 7], [8]], "left", pad_id=9)
    assert left.token_ids.tolist() == [[5, 6, 7], [9, 9, 8]]
    assert left.mask.tolist() == [[True, True, True], [False, False, True]]
    assert left.positions.tolist() == [[0, 1, 2], [0, 0, 0]]
    right = pad_rows([[5, 6, 7], [8]], "right")
    assert right.token_ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert right.mask.tolist() == [[True, True, True], [True, False, False]]
    assert right.positions.tolist() == [[0, 1, 2], [0, 0, 0]]


@pytest.mark.parametrize("multiple", [1, 16])
def test_empty_rows(multiple) -> None:
    batch = pad_rows([[], []], "right", multiple=multiple)
    assert batch.token_ids.shape == (2, 0) and batch.mask.shape == (2, 0)


def test_the_width_is_rounded_up_to_a_multiple() -> None:
    left = pad_rows([[5, 6, 7], [8]], "left", multiple=2)
    assert left.token_ids.tolist() == [[0, 5, 6, 7], [0, 0, 0, 8]]
    assert left.positions.tolist() == [[0, 0, 1, 2], [0, 0, 0, 0]]
    right = pad_rows([[5, 6, 7, 8], [8]], "right", multiple=4)
    assert right.token_ids.tolist() == [[5, 6, 7, 8], [8, 0, 0, 0]]


@torch.no_grad()
def test_audio_goes_into_its_places_and_text_stays(tiny_policy, make_log_mel) -> None:
    model, processor = tiny_policy.model, tiny_policy.processor
    encoder = PromptEncoder(processor, "does it follow?")
    prompts = [
        encoder.encode("", make_log_mel(90, 1), "audio"),
        encoder.encode("tom is happy.", None, "text"),
        encoder.encode("", make_log_mel(150, 2), "audio"),
    ]
    batch = prompt_batch(model, prompts)
    embeds = embed_prompts(model, batch, prompts)
    audio = encode_audio(model, [prompts[0].log_mel, prompts[2].log_mel])
    at = batch.token_ids == processor.audio_token_id
    torch.testing.assert_close(embeds[0][at[0]], audio[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(embeds[2][at[2]], audio[1], atol=1e-5, rtol=1e-5)
    table = model.get_input_embeddings().weight
    assert torch.equal(embeds[~at], table[batch.token_ids[~at]])


@torch.no_grad()
def test_audio_embeddings_at_hand_are_used_and_a_repeated_prompt_is_heard_once(tiny_policy, make_log_mel) -> None:
    model = tiny_policy.model
    encoder = PromptEncoder(tiny_policy.processor, "")
    first = encoder.encode("", make_log_mel(90, 1), "audio")
    cached = encoder.encode("", make_log_mel(90, 2), "audio").with_audio_embeds(torch.ones(22, 32))
    clips: list[int] = []
    handle = model.model.audio_tower.register_forward_pre_hook(
        lambda module, args, kwargs: clips.append(len(kwargs["feature_lens"])), with_kwargs=True
    )
    audio = audio_of(model, [first, cached, first, encoder.encode("tom.", None, "text")])
    handle.remove()
    assert clips == [1]
    assert audio[0] is audio[2] and torch.equal(audio[1], torch.ones(22, 32)) and audio[3] is None


def test_too_few_audio_embeddings_are_named(tiny_policy, make_log_mel) -> None:
    prompt = PromptEncoder(tiny_policy.processor, "").encode("", make_log_mel(90), "audio")
    prompt = prompt.with_audio_embeds(torch.ones(21, 32))
    with pytest.raises(ValueError, match="22 places of audio has 21"):
        embed_prompts(tiny_policy.model, prompt_batch(tiny_policy.model, [prompt]), [prompt])

import numpy as np
import pytest
import torch

from soundmind_pipeline.policy import audio_tower
from soundmind_pipeline.policy.audio_tower import encode_audio
from soundmind_pipeline.speech.log_mel import audio_token_count

FRAMES = (3, 150, 199, 200, 201, 437, 6000)  # around the window of 200 frames, and a minute


@pytest.fixture
def clips(make_log_mel):
    return [make_log_mel(frames, seed=frames) for frames in FRAMES]


@torch.no_grad()
def test_a_batch_equals_clips_one_by_one(tiny_policy, clips) -> None:
    together = encode_audio(tiny_policy.model, clips)
    for clip, embeds in zip(clips, together, strict=True):
        assert embeds.shape == (audio_token_count(len(clip)), 32)
        torch.testing.assert_close(embeds, encode_audio(tiny_policy.model, [clip])[0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_equals_transformers_on_unpadded_features(tiny_policy, clips) -> None:
    for clip in clips:
        features = torch.from_numpy(clip.T).unsqueeze(0)
        mask = torch.ones(1, len(clip), dtype=torch.long)
        expected = tiny_policy.model.get_audio_features(features, feature_attention_mask=mask).last_hidden_state
        torch.testing.assert_close(encode_audio(tiny_policy.model, [clip])[0], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_minute_is_not_truncated(tiny_policy, clips) -> None:
    minute = clips[-1].copy()
    before = encode_audio(tiny_policy.model, [minute])[0]
    assert len(before) == 1500
    minute[-50:] = 3.0
    after = encode_audio(tiny_policy.model, [minute])[0]
    assert torch.equal(before[:1400], after[:1400]) and not torch.equal(before[-1], after[-1])


def test_groups_are_bounded_by_frames_and_keep_their_order(clips, tiny_policy) -> None:
    groups = list(audio_tower._groups(clips, 600))
    assert [[len(clip) for clip in group] for group in groups] == [[3, 150, 199, 200], [201], [437], [6000]]
    with torch.no_grad():
        small = encode_audio(tiny_policy.model, clips, max_frames=600)
        large = encode_audio(tiny_policy.model, clips)
    for one, other in zip(small, large, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_gradients_reach_the_tower(tiny_policy, clips) -> None:
    encode_audio(tiny_policy.model, clips[:3])[1].sum().backward()
    assert tiny_policy.model.model.audio_tower.conv1.weight.grad.abs().sum() > 0


def test_no_clips_no_embeddings_and_bad_clips_are_named(tiny_policy, make_log_mel) -> None:
    assert encode_audio(tiny_policy.model, []) == []
    for bad in (make_log_mel(2), np.zeros(300, dtype=np.float32)):
        with pytest.raises(ValueError, match="clip 1"):
            encode_audio(tiny_policy.model, [make_log_mel(50), bad])

import itertools
import math

import pytest
import torch

from soundmind_pipeline.training.ctc import ctc_losses, flat_start_losses, guess_duration


def test_equals_the_sum_over_all_alignments():
    torch.manual_seed(0)
    embeddings, audio = torch.randn(5, 8), torch.randn(4, 8)
    spoken, blank, scale = [1, 2], 4, 3.0
    cosines = torch.nn.functional.cosine_similarity(audio[:, None], embeddings[None], dim=-1)
    probabilities = (scale * cosines).softmax(-1)
    likelihood = 0.0
    for path in itertools.product(range(5), repeat=4):
        spelled = [token for token, _ in itertools.groupby(path) if token != blank]
        if spelled == spoken:
            likelihood += math.prod(float(probabilities[place, token]) for place, token in enumerate(path))
    loss = ctc_losses([audio], [spoken], embeddings, blank, scale)
    assert loss.tolist() == pytest.approx([-math.log(likelihood) / 2], rel=1e-5)


def test_a_clip_does_not_depend_on_its_neighbours():
    torch.manual_seed(0)
    embeddings, clips = torch.randn(6, 8), [torch.randn(length, 8) for length in (3, 7, 5)]
    spoken = [[1], [2, 3, 2], [4, 1]]
    together = ctc_losses(clips, spoken, embeddings, 5, 10.0)
    alone = [float(ctc_losses([clip], [text], embeddings, 5, 10.0)) for clip, text in zip(clips, spoken, strict=True)]
    assert together.tolist() == pytest.approx(alone, rel=1e-5)


def test_a_clip_too_short_for_its_text_counts_nothing():
    audio = torch.randn(2, 8, requires_grad=True)
    loss = ctc_losses([audio], [[1, 2, 3]], torch.randn(6, 8), 5, 10.0)
    loss.sum().backward()
    assert loss.item() == 0.0
    assert not audio.grad.any()


def test_a_zero_embedding_does_not_blow_up_the_gradient():
    embeddings = torch.randn(6, 8)
    embeddings[0] = 0.0  # the padding token at the start of training
    embeddings.requires_grad_()
    ctc_losses([torch.randn(6, 8)], [[1, 2]], embeddings, 5, 10.0).sum().backward()
    assert embeddings.grad.norm() < 1e4


def test_flat_start_spreads_the_words_over_the_clip():
    torch.manual_seed(0)
    embeddings, audio = torch.randn(6, 8), torch.randn(7, 8)
    # Durations 1, 4, 2 of 7 audio tokens: one for the first word, four for the second, two for the third.
    loss = flat_start_losses([audio], [[3, 1, 5]], [[1.0, 4.0, 2.0]], embeddings, 10.0)
    cosines = torch.nn.functional.cosine_similarity(audio[:, None], embeddings[None], dim=-1)
    expected = torch.nn.functional.cross_entropy(10.0 * cosines, torch.tensor([3, 1, 1, 1, 1, 5, 5]))
    assert loss.tolist() == pytest.approx([float(expected)], rel=1e-5)


def test_flat_start_does_not_mix_clips():
    torch.manual_seed(0)
    embeddings, clips = torch.randn(6, 8), [torch.randn(length, 8) for length in (3, 7)]
    spoken, durations = [[1, 2], [4, 1]], [[2.0, 1.0], [1.0, 6.0]]
    together = flat_start_losses(clips, spoken, durations, embeddings, 10.0)
    alone = [float(flat_start_losses([clips[i]], [spoken[i]], [durations[i]], embeddings, 10.0)) for i in range(2)]
    assert together.tolist() == pytest.approx(alone, rel=1e-5)


def test_a_longer_word_is_guessed_to_take_longer():
    assert guess_duration(" tom") == 4.0
    assert guess_duration(" hungry") == 7.0
    assert guess_duration(".") == 2.0

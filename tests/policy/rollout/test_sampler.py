import math

import pytest
import torch

from soundmind_pipeline.policy.params import SamplingParams
from soundmind_pipeline.policy.rollout.sampler import Sampler, truncate

PROBABILITIES = [0.4, 0.3, 0.15, 0.1, 0.05]
ORDER = [3, 0, 4, 1, 2]  # where the most likely, the second… stand


def logits(rows: int = 1) -> torch.Tensor:
    row = torch.empty(5)
    for probability, place in zip(PROBABILITIES, ORDER, strict=True):
        row[place] = math.log(probability)
    return row.repeat(rows, 1)


def sampler(banned: tuple[int, ...] = (), seed: int = 0, **params) -> Sampler:
    return Sampler(
        SamplingParams(**params), torch.tensor(banned, dtype=torch.long), torch.Generator().manual_seed(seed)
    )


def shares(draw: Sampler, rows: int = 40_000) -> list[float]:
    """Share of each token, the most likely first."""
    tokens, _ = draw(logits(rows))
    counts = torch.bincount(tokens, minlength=5) / rows
    return [counts[place].item() for place in ORDER]


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({}, [0.4, 0.3, 0.15, 0.1, 0.05]),
        ({"top_k": 2}, [0.4, 0.3, 0, 0, 0]),
        ({"top_k": 9}, [0.4, 0.3, 0.15, 0.1, 0.05]),
        ({"top_p": 0.3}, [0.4, 0, 0, 0, 0]),  # the first alone already holds 0.3
        ({"top_p": 0.6}, [0.4, 0.3, 0, 0, 0]),  # 0.4 is too little, 0.7 is enough
        ({"top_p": 0.72}, [0.4, 0.3, 0.15, 0, 0]),
        ({"top_k": 3, "top_p": 0.8}, [0.4, 0.3, 0, 0, 0]),  # of 0.85 that top-k leaves, 0.7 is 82 %
        ({"top_k": 3, "top_p": 0.84}, [0.4, 0.3, 0.15, 0, 0]),
    ],
)
def test_top_k_and_top_p_by_hand(params: dict[str, float], kept: list[float]) -> None:
    cut = truncate(logits(), params.get("top_k", 0), params.get("top_p", 1.0)).softmax(-1)[0]
    expected = [value / sum(kept) for value in kept]
    assert [cut[place].item() for place in ORDER] == pytest.approx(expected, abs=1e-6)
    drawn = shares(sampler(**params))
    assert drawn == pytest.approx(expected, abs=0.01)
    assert all(share == 0 for share, value in zip(drawn, expected, strict=True) if value == 0)


def test_temperature_sharpens_by_hand() -> None:
    squared = [value**2 for value in PROBABILITIES]
    assert shares(sampler(temperature=0.5)) == pytest.approx([v / sum(squared) for v in squared], abs=0.01)
    _, log_probs = sampler(temperature=0.5, top_k=1)(logits())
    assert log_probs.item() == pytest.approx(math.log(0.16 / sum(squared)), abs=1e-5)


def test_log_probabilities_are_those_before_top_k_and_after_the_ban() -> None:
    tokens, log_probs = sampler(banned=(3,), top_k=1)(logits(10))  # without the 0.4 the first is 0.3 of 0.6
    assert tokens.tolist() == [0] * 10
    assert log_probs.tolist() == pytest.approx([math.log(0.5)] * 10, abs=1e-5)


def test_greedy_takes_the_first_that_is_not_banned_at_temperature_1() -> None:
    tokens, log_probs = sampler(temperature=0.0)(logits(2))
    assert tokens.tolist() == [3, 3] and log_probs.tolist() == pytest.approx([math.log(0.4)] * 2, abs=1e-5)
    tokens, log_probs = sampler(banned=(3,), temperature=0.0)(logits(1))
    assert tokens.tolist() == [0] and log_probs.item() == pytest.approx(math.log(0.5), abs=1e-5)


def test_banned_tokens_are_never_drawn_however_likely_or_hot() -> None:
    row = torch.zeros(1, 1000)
    row[:, ::2] = 50.0
    draw = sampler(banned=tuple(range(0, 1000, 2)), temperature=30.0)
    tokens, _ = draw(row.repeat(20_000, 1))
    assert (tokens % 2 == 1).all() and len(tokens.unique()) == 500


def test_the_largest_uniform_number_draws_the_last_possible_token(monkeypatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.full(shape, 1 - 2**-24))
    row = torch.zeros(1, 50_000)
    assert sampler(banned=tuple(range(49_990, 50_000)))(row.clone())[0].item() == 49_989
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.zeros(shape))
    assert sampler(banned=tuple(range(10)))(row.clone())[0].item() == 10


def test_the_seed_decides() -> None:
    first, again, other = (sampler(seed=seed)(logits(100))[0].tolist() for seed in (1, 1, 2))
    assert first == again != other

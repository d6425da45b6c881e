from collections import Counter

import pytest

from soundmind_pipeline.training.batching import RowSampler, hash_seed, pack, share_of_rank


def rows(sampler: RowSampler, steps: range) -> list[list[int]]:
    return [sampler.rows_of(step) for step in steps]


def test_every_row_comes_once_an_epoch():
    sampler = RowSampler(12, 4, seed=1)
    for epoch in range(3):
        taken = rows(sampler, range(3 * epoch + 1, 3 * epoch + 4))
        assert Counter(row for step in taken for row in step) == Counter(range(12))


def test_a_step_depends_on_seed_and_number_alone():
    straight = rows(RowSampler(50, 8, seed=3), range(1, 20))
    jumping = RowSampler(50, 8, seed=3)
    assert [jumping.rows_of(step) for step in (17, 2, 9)] == [straight[16], straight[1], straight[8]]
    assert rows(RowSampler(50, 8, seed=4), range(1, 20)) != straight


def test_rows_of_a_step_are_of_similar_length():
    lengths = [float(row % 100) for row in range(400)]
    spread = [
        max(lengths[row] for row in step) - min(lengths[row] for row in step)
        for step in rows(RowSampler(400, 10, seed=0, lengths=lengths), range(1, 41))
    ]
    mixed = [
        max(step) - min(step)
        for step in ([lengths[row] for row in taken] for taken in rows(RowSampler(400, 10, seed=0), range(1, 41)))
    ]
    assert sum(spread) / len(spread) < 0.6 * sum(mixed) / len(mixed)


def test_fewer_rows_than_a_step_takes_come_twice():
    assert sorted(Counter(RowSampler(3, 8, seed=0).rows_of(1)).values()) == [2, 3, 3]


@pytest.mark.parametrize(("count", "per_step"), [(0, 1), (1, 0)])
def test_nothing_to_draw_is_refused(count, per_step):
    with pytest.raises(ValueError, match="cannot draw"):
        RowSampler(count, per_step, seed=0)


def test_pack_keeps_the_rectangle_within_the_budget():
    # Lengths 9, 8 | 5, 4, 3, 2: two of nine are 18 ≤ 20, a third would be 27; four of five are 20.
    assert pack([3, 9, 2, 8, 5, 4], budget=20) == [[1, 3], [4, 5, 0, 2]]
    assert pack([30, 1], budget=20) == [[0], [1]]
    assert pack([], budget=20) == []


def test_ranks_share_the_rows():
    shares = [share_of_rank([5, 6, 7, 8, 9], rank, 2) for rank in range(2)]
    assert shares == [[5, 7, 9], [6, 8]]


def test_hash_seed_tells_its_parts_apart():
    seeds = {hash_seed(*parts) for parts in ((0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 12, 0), (0, 1, 20))}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)

"""Which rows a step takes, and how they are packed into micro-batches."""

from collections.abc import Sequence

import numpy as np

# How far a row may stray from its place in the order of lengths, as a share of the spread of lengths.
_JITTER = 0.4


class RowSampler:
    """Rows of every step, epoch by epoch: a function of seed and step, so that there is nothing to save.

    With `lengths`, rows of a step are of similar length (less padding) without always being the same company.

    Args:
        rows: Number of rows.
        per_step: Rows a step.
        seed: Seed of the order.
        lengths: Length of each row, any unit; None mixes rows of all lengths.
    """

    def __init__(self, rows: int, per_step: int, seed: int, lengths: Sequence[float] | None = None) -> None:
        if rows < 1 or per_step < 1:
            raise ValueError(f"cannot draw {per_step} of {rows} rows a step")
        self._rows = rows
        self._lengths = None if lengths is None else np.asarray(lengths, dtype=np.float64)
        self._per_step = per_step
        self._seed = seed
        self._steps_an_epoch = max(1, self._rows // per_step)
        self._epoch = -1
        self._order = np.empty((0, per_step), dtype=np.int64)

    def rows_of(self, step: int) -> list[int]:
        """Indices of the rows of step `step` (counted from 1); each row comes at most once an epoch."""
        epoch, place = divmod(step - 1, self._steps_an_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffled(epoch)
        return [int(row) for row in self._order[place]]

    def _shuffled(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(self._rows)
        needed = self._steps_an_epoch * self._per_step
        if needed > len(order):  # fewer rows than a step takes: some come twice
            order = np.resize(order, needed)
        order = order[:needed]
        if self._lengths is not None:
            jitter = rng.random(needed) * _JITTER * np.ptp(self._lengths)
            order = order[np.argsort(self._lengths[order] + jitter, kind="stable")]
        batches = order.reshape(self._steps_an_epoch, self._per_step)
        return batches[rng.permutation(self._steps_an_epoch)]


def pack(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Divide rows into micro-batches whose rectangle (rows x longest row) holds at most `budget` tokens.

    Rows are taken in the order of their lengths, so that a rectangle holds little padding. A row longer than the budget
    is a micro-batch alone.

    Returns:
        Indices of the rows of each micro-batch, the longest rows first; empty for no rows.
    """
    groups: list[list[int]] = []
    longest = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if groups and (len(groups[-1]) + 1) * longest <= budget:
            groups[-1].append(row)
        else:
            groups.append([row])
            longest = lengths[row]
    return groups


def share_of_rank(rows: Sequence[int], rank: int, world_size: int) -> list[int]:
    """The rows of one rank: every `world_size`-th, so that lengths in order are shared evenly."""
    return list(rows[rank::world_size])


def hash_seed(*parts: int) -> int:
    """One seed out of several numbers, the same on every machine."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))

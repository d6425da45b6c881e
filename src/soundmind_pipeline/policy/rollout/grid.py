"""Which samples still run, and what all of them have said so far."""

import torch
from torch import Tensor

# Rows that have ended are dropped once the rest would fill no more than this share of the grid.
_SHRINK_AT = 0.8


class SampleGrid:
    """U prompts by n samples that grow token by token; rows that have ended may be dropped now and then.

    Rows run prompt by prompt: row = prompt·n + sample. A row that has ended but still stands in the grid may be given
    any further tokens: they are not part of its completion.

    Args:
        prompts: U.
        samples: n.
        max_steps: Longest completion in tokens.
        eos: The end-of-turn token.
        device: Where the tokens come from.
    """

    def __init__(self, prompts: int, samples: int, max_steps: int, eos: int, device: torch.device) -> None:
        self._eos = eos
        self._step = 0
        self._tokens = torch.zeros(prompts * samples, max_steps, dtype=torch.long, device=device)
        self._log_probs = torch.zeros(prompts * samples, max_steps, device=device)
        self._lengths = torch.full((prompts * samples,), max_steps, device=device)
        self._rows = torch.arange(prompts * samples, device=device).view(prompts, samples)  # original row of each place
        self._running = torch.ones(prompts, samples, dtype=torch.bool, device=device)
        self.ended = 0
        """Rows that have reached the end of turn."""

    @property
    def done(self) -> bool:
        """Whether no row needs another token."""
        return self.ended == len(self._lengths) or self._step == self._tokens.shape[1]

    def record(self, tokens: Tensor, log_probs: Tensor) -> bool:
        """Append one token to each row in the grid.

        Args:
            tokens: int64 `[rows]`, in the grid's order.
            log_probs: float32 `[rows]`.

        Returns:
            Whether a row has ended with this token.
        """
        rows = self._rows.view(-1)
        self._tokens[rows, self._step] = tokens
        self._log_probs[rows, self._step] = log_probs
        self._step += 1
        ending = self._running & (tokens == self._eos).view_as(self._running)
        count = int(ending.sum())
        if count:
            self._lengths[self._rows[ending]] = self._step
            self._running &= ~ending
            self.ended += count
        return count > 0

    def shrink(self) -> tuple[Tensor, Tensor] | None:
        """Drop rows that have ended, if that makes the grid enough smaller.

        The grid stays a rectangle: prompts without a running sample go, and the others keep as many places as the one
        with the most running samples needs.

        Returns:
            The kept prompts `[U']` and for each of them the kept samples `[U', n']`, as indices into the grid so far;
            None when nothing was dropped.
        """
        running = self._running.sum(-1)
        prompts = running.nonzero().squeeze(-1)
        width = int(running.max())
        if len(prompts) * width > _SHRINK_AT * self._rows.numel():
            return None
        slots = self._running[prompts].sort(dim=-1, descending=True, stable=True).indices[:, :width]
        self._rows = self._rows[prompts].gather(1, slots)
        self._running = self._running[prompts].gather(1, slots)
        return prompts, slots

    def completions(self) -> tuple[list[list[int]], list[Tensor], list[bool]]:
        """Tokens, log-probabilities (CPU) and whether the end of turn was reached, of each row in the first order."""
        lengths: list[int] = self._lengths.tolist()
        tokens = [row[:length] for row, length in zip(self._tokens.tolist(), lengths, strict=True)]
        log_probs = [row[:length].clone() for row, length in zip(self._log_probs.cpu(), lengths, strict=True)]
        return tokens, log_probs, [row[-1] == self._eos for row in tokens]

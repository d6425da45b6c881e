"""What a rollout engine is asked and what it returns, whichever engine it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from soundmind_pipeline.policy.params import SamplingParams
from soundmind_pipeline.policy.prompts import Prompt

Progress = Callable[[int, int], None]
"""Called now and then with the number of finished completions and the number of all completions."""


@dataclass(frozen=True)
class Rollouts:
    """Sampled completions, the n samples of the first prompt first."""

    completions: list[list[int]]
    """Token ids of each completion, end of turn included where it was reached."""

    log_probs: list[Tensor]
    """Natural log-probability of each token under the sampling policy, float32 `[length]` on the CPU.

    Taken from the logits with banned tokens removed, divided by the temperature (1 in greedy decoding), before top-k
    and top-p cut the distribution: what `completion_log_probs` computes.
    """

    finished: list[bool]
    """Whether the completion ends with the end of turn; False where `max_new_tokens` cut it."""

    @property
    def tokens(self) -> int:
        """Sampled tokens in all."""
        return sum(map(len, self.completions))


class RolloutEngine(Protocol):
    """Samples completions of the live policy; see `SharedPrefixEngine` and `VllmEngine`."""

    @property
    def banned_ids(self) -> tuple[int, ...]:
        """Token ids that are never sampled."""
        ...

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: SamplingParams,
        generator: torch.Generator | None = None,
        progress: Progress | None = None,
    ) -> Rollouts:
        """Sample `sampling.n` completions of each prompt."""
        ...

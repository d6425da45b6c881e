"""Drawing the next token."""

import torch
from torch import Tensor

from soundmind_pipeline.policy.log_probs import BANNED_LOGIT
from soundmind_pipeline.policy.params import SamplingParams


class Sampler:
    """Draws one token a row from logits, banned tokens excluded.

    Args:
        params: Temperature, top-k and top-p.
        banned: Ids that are never drawn, int64 `[banned]` on the device of the logits.
        generator: Source of randomness; None uses torch's global one. One uniform number is used a row and step.
    """

    def __init__(self, params: SamplingParams, banned: Tensor, generator: torch.Generator | None) -> None:
        self._params = params
        self._banned = banned
        self._generator = generator

    def __call__(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Draw tokens.

        Args:
            logits: Raw logits `[rows, vocabulary]`; overwritten.

        Returns:
            Tokens, int64 `[rows]`, and their log-probabilities, float32 `[rows]`: at the sampling temperature, banned
            tokens removed, before top-k and top-p.
        """
        logits = logits.float()
        logits.index_fill_(-1, self._banned, BANNED_LOGIT)
        if self._params.temperature not in (0.0, 1.0):
            logits.div_(self._params.temperature)
        if self._params.temperature == 0.0:
            tokens = logits.argmax(-1)
        elif self._params.top_k or self._params.top_p < 1.0:
            tokens = self._draw(truncate(logits, self._params.top_k, self._params.top_p).softmax(-1))
        else:
            tokens = self._draw(logits.softmax(-1))
        return tokens, logits.gather(-1, tokens.unsqueeze(-1)).squeeze(-1) - logits.logsumexp(-1)

    def _draw(self, probabilities: Tensor) -> Tensor:
        """Inverse transform: the first token at which the running sum exceeds a uniform number times the whole sum.

        A token of probability zero does not raise the sum, hence is never the first.
        """
        sums = probabilities.cumsum(-1)
        device = self._generator.device if self._generator is not None else probabilities.device
        uniform = torch.rand(len(sums), 1, generator=self._generator, device=device).to(sums.device)
        # Just below 1, so that rounding cannot lift the product to the whole sum, which no running sum exceeds.
        return torch.searchsorted(sums, uniform.clamp_(max=1 - 2**-22) * sums[:, -1:], right=True).squeeze(-1)


def truncate(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Set logits outside the top k and outside the nucleus of mass p to the banned value.

    Top-k goes first, as in transformers; the nucleus is measured on what it leaves. The token that lifts the mass to p
    stays in; the most likely token always does.

    Args:
        logits: `[rows, vocabulary]`; left as they are.
        top_k: Tokens to keep; 0 keeps all.
        top_p: Probability mass to keep; 1 keeps all.
    """
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    drop = torch.zeros_like(ordered, dtype=torch.bool)
    if 0 < top_k < ordered.shape[-1]:
        drop[:, top_k:] = True
    if top_p < 1.0:
        probabilities = ordered.masked_fill(drop, BANNED_LOGIT).softmax(-1)
        drop |= probabilities.cumsum(-1) - probabilities >= top_p
    drop[:, 0] = False
    return logits.masked_fill(torch.zeros_like(drop).scatter_(-1, order, drop), BANNED_LOGIT)

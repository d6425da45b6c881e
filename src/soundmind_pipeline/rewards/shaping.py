"""Shaping of the reward beyond the paper's form: each a pure function, each off unless a parameter asks for it."""

from collections.abc import Sequence


def overlong_penalty(tokens: int, limit: int, share: float) -> float:
    """Soft overlong punishment (DAPO, arXiv 2503.14476, eq. 13).

    0 up to ``limit · (1 - share)`` tokens, then linear down to -1 at ``limit``, -1 beyond.

    Args:
        tokens: Length of the response.
        limit: L_max, in tokens.
        share: Part of the limit over which the penalty ramps (L_cache / L_max); 0 gives no penalty at any length.

    Returns:
        A number in [-1, 0].
    """
    ramp = limit * share
    if ramp <= 0:
        return 0.0
    return -min(1.0, max(0.0, (tokens - (limit - ramp)) / ramp))


def distinct_ngram_share(words: Sequence[str], size: int) -> float:
    """Distinct n-grams divided by n-grams: 1 for a text that never repeats itself, towards 0 for a loop.

    The measure behind the repetition penalty of "Demystifying Long Chain-of-Thought Reasoning" (arXiv 2502.03373,
    section 4), used as a factor instead of a deduction, so that the length term stays within [0, λ4].

    Args:
        words: The reasoning, split into words.
        size: n, at least 1; texts of fewer words count as free of repetition.

    Returns:
        A number in (0, 1].
    """
    total = len(words) - size + 1
    if total <= 1:
        return 1.0
    return len(set(zip(*(words[offset:] for offset in range(size)), strict=False))) / total

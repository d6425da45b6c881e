"""The reward of SoundMind-RL (arXiv 2506.12935, section 4): one scorer for training and evaluation."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from soundmind_pipeline.rewards.lenient import parse_verdict_lenient
from soundmind_pipeline.rewards.params import RewardParams
from soundmind_pipeline.rewards.shaping import distinct_ngram_share, overlong_penalty
from soundmind_pipeline.rewards.verdict import ParsedVerdict, Reason, Verdict, parse_verdict, reasoning_of

LABELS: tuple[Verdict, Verdict] = ("not entailed", "entailed")


@dataclass(frozen=True, slots=True)
class Score:
    """The verdict of a response and each term of its reward, already weighted."""

    verdict: Verdict | None
    """The strictly parsed verdict."""
    reason: Reason | None
    """Why there is no verdict; None if there is one."""
    format_text: float
    """λ1 if the format holds (``shaping.malformed`` if not)."""
    format_audio: float
    """λ2 if the format holds and speech was heard."""
    answer: float
    """λ3 if the verdict equals the label (``shaping.wrong_answer``, ``shaping.missing_answer`` if not)."""
    length_text: float
    """λ4 · min(1, L_model / L_annotation)."""
    length_audio: float
    """λ5 · min(1, T_model / T_annotation)."""
    total: float
    """Sum of the five terms and the overlong penalty."""
    verdict_lenient: Verdict | None
    """The strict verdict or else the lenient one (``lenient.LENIENT_VERSION``); for diagnosis, earns nothing."""
    overlong: float = 0.0
    """The overlong penalty, in [-1, 0]; 0 unless ``shaping.overlong_limit`` is set."""


def count_words(text: str) -> int:
    """Length in words separated by whitespace: the unit when no tokenizer is given."""
    return len(text.split())


class Scorer:
    """Scores responses under one set of parameters.

    Args:
        params: Style, weights, shaping.
        count_tokens: Length of a text in tokens, for the length terms; None counts words.
    """

    def __init__(self, params: RewardParams, count_tokens: Callable[[str], int] | None = None) -> None:
        self.params = params
        self._count = count_tokens or count_words
        # Training scores n responses to one prompt in a row: do not measure its annotation n times.
        self._reference_length = lru_cache(maxsize=4)(self.reasoning_tokens)

    def score(
        self,
        response: str,
        label: int,
        reference: str,
        audio_seconds: float | None = None,
        reference_audio_seconds: float | None = None,
    ) -> Score:
        """Score one response.

        Args:
            response: The text of the response; special tokens other than the end of turn break the format.
            label: 1 entailed, 0 not entailed.
            reference: The annotated response or reasoning, in either style; only its length is used.
            audio_seconds: Seconds of speech in the spoken response, by voice activity at the true sample rate; None if
                nothing was spoken. Zero, negative, NaN and infinite durations earn nothing.
            reference_audio_seconds: The same of the annotated speech; without it ``length_audio`` is 0.

        Returns:
            The verdict and the weighted terms. Never raises on any string.

        Raises:
            ValueError: If ``label`` is neither 0 nor 1.
        """
        if label not in (0, 1):
            raise ValueError(f"label must be 0 or 1, not {label!r}")
        weights, shaping = self.params.weights, self.params.shaping
        parsed = parse_verdict(response, self.params.style)
        holds = parsed.verdict is not None
        right = parsed.verdict == LABELS[int(label)]
        spoken = _is_duration(audio_seconds)
        format_text = weights.format_text if holds else shaping.malformed
        format_audio = weights.format_audio if holds and spoken else 0.0
        wrong = shaping.wrong_answer if holds else shaping.missing_answer
        answer = weights.answer if right else wrong
        length_text = length_audio = 0.0
        if (right or not shaping.length_needs_answer) and (holds or shaping.length_without_format):
            length_text = weights.length_text * self._text_ratio(parsed, response, reference)
            length_audio = weights.length_audio * _duration_ratio(audio_seconds, reference_audio_seconds)
        overlong = 0.0
        if shaping.overlong_limit is not None:
            overlong = overlong_penalty(self._count(response), shaping.overlong_limit, shaping.overlong_share)
        return Score(
            verdict=parsed.verdict,
            reason=parsed.reason,
            format_text=format_text,
            format_audio=format_audio,
            answer=answer,
            length_text=length_text,
            length_audio=length_audio,
            total=format_text + format_audio + answer + length_text + length_audio + overlong,
            verdict_lenient=parsed.verdict or parse_verdict_lenient(response),
            overlong=overlong,
        )

    def reasoning_tokens(self, text: str) -> int:
        """Length of the reasoning in a response, or in a reference, in the unit of the length terms."""
        return self._count(reasoning_of(text))

    def _text_ratio(self, parsed: ParsedVerdict, response: str, reference: str) -> float:
        """The share of λ4 that the reasoning earns, in [0, 1]."""
        shaping = self.params.shaping
        reasoning = parsed.reasoning if parsed.verdict else reasoning_of(response)
        length = self._count(reasoning)
        if shaping.presence_tokens is not None:
            ratio = 1.0 if length >= shaping.presence_tokens else 0.0
        else:
            annotated = self._reference_length(reference)
            ratio = min(1.0, length / annotated) if annotated else 0.0
        if shaping.repetition_ngram is not None:
            ratio *= distinct_ngram_share(reasoning.split(), shaping.repetition_ngram)
        return ratio


def _is_duration(seconds: float | None) -> bool:
    return seconds is not None and math.isfinite(seconds) and seconds > 0


def _duration_ratio(seconds: float | None, annotated: float | None) -> float:
    """min(1, T_model / T_annotation); 0 where either is missing, zero, NaN or infinite."""
    if seconds is None or annotated is None or not (_is_duration(seconds) and _is_duration(annotated)):
        return 0.0
    return min(1.0, seconds / annotated)

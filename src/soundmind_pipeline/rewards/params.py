"""Parameters of the reward: the five weights of SoundMind-RL, the response style, the shaping options."""

from typing import Literal

from pydantic import Field

from soundmind_pipeline.params import Params

Style = Literal["think", "plain"]


class RewardWeights(Params):
    """λ1 to λ5 of SoundMind-RL (arXiv 2506.12935, section 4)."""

    format_text: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """λ1: the response keeps the format in text."""

    format_audio: float = Field(default=0.5, ge=0, allow_inf_nan=False)
    """λ2: the response keeps the format and is spoken."""

    answer: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    """λ3: the verdict equals the label; looked at only once the format holds."""

    length_text: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """λ4: times min(1, reasoning tokens / annotated reasoning tokens)."""

    length_audio: float = Field(default=0.75, ge=0, allow_inf_nan=False)
    """λ5: times min(1, seconds of speech / annotated seconds of speech)."""


class ShapingParams(Params):
    """Departures from the paper's reward, all off by default; ``docs/rewards.md`` names source and exploit of each."""

    length_needs_answer: bool = False
    """Pay the length terms only to a right answer, so that padding a wrong one earns nothing (DeepSeek-R1: accuracy and
    format alone)."""

    malformed: float = Field(default=0.0, le=0, allow_inf_nan=False)
    """The format term of a response without the format (Logic-RL: -1)."""

    wrong_answer: float = Field(default=0.0, le=0, allow_inf_nan=False)
    """The answer term of a wrong verdict (Logic-RL: -1.5)."""

    missing_answer: float = Field(default=0.0, le=0, allow_inf_nan=False)
    """The answer term of a response without a verdict (Logic-RL: -2); below ``wrong_answer``, lest silence pay."""

    overlong_limit: int | None = Field(default=None, gt=0)
    """Tokens of the whole response at which the overlong penalty reaches -1 (DAPO's L_max); null is off."""

    overlong_share: float = Field(default=0.2, gt=0, le=1)
    """Share of ``overlong_limit`` over which the penalty ramps from 0 to -1 (DAPO: 0.2)."""

    repetition_ngram: int | None = Field(default=None, gt=0)
    """Multiply the text length by the share of distinct word n-grams of this size in the reasoning; null is off."""

    presence_tokens: int | None = Field(default=None, gt=0)
    """Replace the text length ramp by full λ4 for any reasoning of at least so many tokens; null keeps the ramp."""

    length_without_format: bool = False
    """Pay the length terms to responses without the format too, as the published script does."""


class RewardParams(Params):
    """How a response is scored, in training and in evaluation alike."""

    style: Style = "think"
    """Format: ``think`` (reasoning in <think> tags) or ``plain`` (no tags, like the published annotations)."""

    weights: RewardWeights = RewardWeights()
    """Weights of the five terms."""

    shaping: ShapingParams = ShapingParams()
    """Departures from the paper's reward, off by default."""

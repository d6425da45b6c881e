"""What a manifest is held against."""

from typing import Literal, Self

from pydantic import Field, model_validator

from soundmind_pipeline.params import Params
from soundmind_pipeline.problems.schema import SPLITS

Severity = Literal["critical", "warning"]
"""``critical`` stops the pipeline, ``warning`` is reported."""
Split = Literal["train", "dev", "test"]


class ExpectationParams(Params):
    """What the manifest is held against; the defaults fit generated problems (for published ones: docs/audit.md)."""

    splits: tuple[Split, ...] = Field(default=SPLITS, min_length=1)
    """Splits that the manifest must hold, no more and no fewer."""

    min_seconds: float = Field(default=0.3, gt=0)
    """Shortest spoken question, in seconds."""

    max_seconds: float = Field(default=30.0, gt=0)
    """Longest spoken question, in seconds; published ones last 62 s on average."""

    min_answer_seconds: float = Field(default=0.3, gt=0)
    """Shortest spoken answer, in seconds, where answers are spoken."""

    max_answer_seconds: float = Field(default=120.0, gt=0)
    """Longest spoken answer, in seconds; published ones last 608 s on average."""

    min_words_per_second: float = Field(default=1.0, gt=0)
    """Slowest plausible speech, of questions and answers: below it, sound and text do not belong together."""

    max_words_per_second: float = Field(default=8.0, gt=0)
    """Fastest plausible speech."""

    min_speech_share: float = Field(default=0.3, ge=0, le=1)
    """Least share of a clip that is speech, by voice activity."""

    class_balance: Literal["bounds", "published"] = "bounds"
    """Labels of each split: within `min_entailed` and `max_entailed`, or exactly the counts of the paper's table 3."""

    class_balance_severity: Severity = "critical"
    """What labels out of balance do: stop the pipeline, or be reported."""

    min_entailed: float = Field(default=0.35, ge=0, le=1)
    """Lowest share of entailed problems in a split, where `class_balance` is `bounds`."""

    max_entailed: float = Field(default=0.65, ge=0, le=1)
    """Highest share of entailed problems in a split, where `class_balance` is `bounds`."""

    leaks: Severity = "critical"
    """What a leak group, question or recording that stands in two splits does; the published data have such rows."""

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        for name in ("seconds", "answer_seconds", "words_per_second", "entailed"):
            if getattr(self, f"min_{name}") > getattr(self, f"max_{name}"):
                raise ValueError(f"min_{name} must not exceed max_{name}")
        return self

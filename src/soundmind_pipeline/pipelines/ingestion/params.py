"""Parameters of the ingestion stage."""

from typing import Literal

from pydantic import Field

from soundmind_pipeline.params import Params
from soundmind_pipeline.problems.expectations import ExpectationParams
from soundmind_pipeline.problems.params import VerifiedParams
from soundmind_pipeline.speech.params import SpeechParams


class IngestionParams(Params):
    """Where problems come from, how they are spoken, and what the manifest is held against."""

    source: Literal["verified"] = "verified"
    """Source of the problems: `verified` generates them, with labels decided by truth tables."""

    verified: VerifiedParams = VerifiedParams()
    """The generator of verified problems."""

    speech: SpeechParams = SpeechParams()
    """How the questions are spoken."""

    expectations: ExpectationParams = ExpectationParams()
    """Bounds of the expectation suite that guards the manifest."""

    max_quarantined: float = Field(default=0.02, ge=0, le=1)
    """Highest share of rows that may be set aside before the stage fails."""

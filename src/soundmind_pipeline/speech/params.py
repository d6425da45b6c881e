"""Parameters of spoken questions."""

from typing import Annotated

from pydantic import Field, field_validator

from soundmind_pipeline.params import Params

SpeakingRate = Annotated[int, Field(ge=80, le=450)]
Pitch = Annotated[int, Field(ge=0, le=99)]


class SpeechParams(Params):
    """How the questions are spoken."""

    voice: str = "en-us"
    """Name of an espeak-ng voice."""
    words_per_minute: tuple[SpeakingRate, SpeakingRate] = (250, 270)
    """Slowest and fastest speaking rate; each question draws one in between (espeak-ng speaks 80 to 450)."""
    pitch: tuple[Pitch, Pitch] = (45, 55)
    """Lowest and highest pitch, 0 to 99; each question draws one in between."""
    seed: int = 0
    """Seed of these draws; a question's draw depends on the seed and its uid only."""
    workers: int = Field(default=2, ge=1, le=256)
    """Number of speaking processes; the waves do not depend on it."""

    @field_validator("words_per_minute", "pitch")
    @classmethod
    def _in_order(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            raise ValueError(f"the low end {value[0]} is above the high end {value[1]}")
        return value

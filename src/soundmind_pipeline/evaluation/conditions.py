"""What a policy gets to hear or read when it is examined."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Condition:
    """A setting, and what is done to the audio."""

    setting: str
    """``audio_to_text``, ``text_to_text``, or ``audio_text_to_text``: the question heard and read at once."""
    control: str = "none"
    """``none``, or what is done to the audio: one of :data:`~soundmind_pipeline.evaluation.params.Control`."""

    @property
    def key(self) -> str:
        """Name in metrics and progress bars, e.g. ``audio_to_text`` or ``audio_to_text/silence``."""
        return self.setting if self.control == "none" else f"{self.setting}/{self.control}"


SETTINGS: Final = (Condition("audio_to_text"), Condition("text_to_text"), Condition("audio_text_to_text"))
"""Every setting whose answers are written; the spoken ones speak answers of these."""


def conditions(controls: Sequence[str]) -> list[Condition]:
    """Every setting, then each control of the audio."""
    return [*SETTINGS, *(Condition("audio_to_text", control) for control in controls)]

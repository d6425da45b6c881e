"""What every speech engine offers, and what it is asked to say."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from soundmind_pipeline.errors import SoundmindError

SAMPLE_RATE: Final = 16_000
"""Rate of the waves that every engine gives out, in Hz."""


class UnspeakableError(SoundmindError):
    """The engine refused one text, or no sound came of it; it can still be asked for others."""


@dataclass(frozen=True)
class Utterance:
    """A text and how to speak it.

    Attributes:
        text: What is said; not blank, without NUL characters.
        voice: Name of a voice of the engine.
        words_per_minute: Speaking rate of espeak-ng, 80 to 450.
        pitch: Pitch of espeak-ng, 0 (low) to 99 (high).
        speed: Speaking rate of Piper and Kokoro, 0.5 to 2 times the voice's own.

    Raises:
        SoundmindError: A value is out of range.
    """

    text: str
    voice: str
    words_per_minute: int | None = None
    pitch: int | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        """Refuse what an engine would cut short or clamp without a word."""
        if not self.text.strip() or "\0" in self.text:
            raise SoundmindError(f"Cannot speak {self.text!r}: it is blank or holds a NUL character.")
        rate, pitch = self.words_per_minute, self.pitch
        if (rate is not None and not 80 <= rate <= 450) or (pitch is not None and not 0 <= pitch <= 99):
            raise SoundmindError(
                f"Cannot speak {self.text!r} at {rate} words per minute with pitch {pitch}.",
                hint="espeak-ng takes 80 to 450 words per minute and a pitch of 0 to 99.",
            )
        if self.speed is not None and not 0.5 <= self.speed <= 2:
            raise SoundmindError(f"Cannot speak {self.text!r} at speed {self.speed}: it must lie between 0.5 and 2.")

    @property
    def manner(self) -> dict[str, str | int | float]:
        """Voice and rate (and pitch) as provenance records them: what is set, without the text."""
        named = {"words_per_minute": self.words_per_minute, "pitch": self.pitch, "speed": self.speed}
        return {"voice": self.voice} | {name: value for name, value in named.items() if value is not None}


class SpeechEngine(ABC):
    """Speaks utterances; a context manager that ends what it has started.

    The same utterance gives the same bytes, whatever was spoken before it and however many workers there are.
    """

    name: str
    """Name for messages, such as ``espeak-ng``."""
    pause_seconds: float
    """Silence that belongs between two chunks of a text spoken apart (see ``engines.long``)."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Who speaks, for provenance, in JSON values.

        Returns:
            ``engine`` with the package's version, and where the engine has them ``weights`` (sha256 by file name), the
            settings of its noise and its ``seed``.
        """

    @abstractmethod
    def speak_many(self, utterances: Iterable[Utterance]) -> Iterator[np.ndarray]:
        """Speak ``utterances`` in their order.

        Waves are made a little ahead of the consumer, never all at once, and ``utterances`` is read no further than
        that: memory does not grow with their number.

        Yields:
            One wave an utterance, ``[samples]`` float32 in [-1, 1] at :data:`SAMPLE_RATE`.

        Raises:
            UnspeakableError: An utterance cannot be spoken; the message holds the text.
            SoundmindError: A process died, or an utterance does not fit the engine; the message holds the text.
        """

    @abstractmethod
    def close(self) -> None:
        """End what was started; the engine cannot be used any more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

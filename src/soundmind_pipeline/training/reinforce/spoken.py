"""Speech of the rollouts: made and measured in the background while the policy computes.

Responses go to worker processes as soon as they are sampled, and the trainer waits for them only when their rewards
are needed. All are spoken by one speaker, and so are the references that their length is compared with: the manifest's
own clips may have another voice and rate, and would make another length of the same words.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from soundmind_pipeline.speech.engines.engine import SpeechEngine, UnspeakableError
from soundmind_pipeline.speech.engines.long import split_text
from soundmind_pipeline.speech.engines.opening import draw_utterance, open_engine
from soundmind_pipeline.speech.heard_verdict import heard_verdict
from soundmind_pipeline.speech.recognisers.recogniser import Recogniser
from soundmind_pipeline.speech.spoken_form import spoken_form
from soundmind_pipeline.speech.well_spoken import ClipFacts, Defect, clip_facts, closing_apart, spoken_defect
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.pulse import beat
from soundmind_pipeline.training.reinforce.spoken_params import SpokenRolloutParams

_SPEAKER: Final = "rollouts"
"""In place of a uid where rate and pitch are drawn: all rollouts have one voice."""


@dataclass(frozen=True, slots=True)
class SpeechFacts:
    """What voice activity (and the recogniser) made of a spoken answer."""

    speech_seconds: float
    """Seconds of speech, pauses at its chunks' ends left out."""
    defect: Defect | None
    """Why it is not well spoken; None if it is."""


@dataclass(frozen=True)
class PendingSpeech:
    """An answer that is being spoken."""

    chunks: list[Future[ClipFacts | Defect]]
    """What is said before the closing phrase."""
    closing: Future[ClipFacts | Defect] | None
    """The closing phrase."""
    closes: bool
    """Whether there must be one."""
    params: SpokenRolloutParams
    """Bounds."""

    def facts(self) -> SpeechFacts:
        """What was heard; waits until all is said.

        Raises:
            SoundmindError: A speaking process died.
        """
        found = [future.result() for future in [*self.chunks, *([self.closing] if self.closing else [])]]
        clips = [clip for clip in found if isinstance(clip, ClipFacts)]
        seconds = sum(clip.speech_seconds for clip in clips)
        for defect in found:
            if isinstance(defect, str):
                return SpeechFacts(seconds, defect)
        closing = clips.pop() if self.closing else None
        return SpeechFacts(seconds, spoken_defect(clips, closing, self.closes, self.params.well_spoken))


@dataclass(slots=True)
class SpeechUsage:
    """What speaking took."""

    chunks: int = 0
    """Chunks of text that were asked for."""
    remembered: int = 0
    """Those of them that had been asked for before, and were not spoken again."""
    wait_seconds: float = 0.0
    """Seconds for which the trainer waited."""
    worker_seconds: float = 0.0
    """Seconds that workers took, all together."""


@dataclass(frozen=True)
class SpokenResponse:
    """A response and its reference, both on their way."""

    text: str
    """The response, as it is written."""
    answer: PendingSpeech
    """The response, as it is spoken."""
    reference: PendingSpeech
    """The annotated response, said by the same speaker."""


class RolloutSpeaker:
    """Speaks and measures answers in the background; a context manager that ends what it has started.

    A chunk is spoken once and its measurements are kept, so the same text gives the same facts, whether it is spoken
    or remembered: nothing need be saved with a checkpoint.

    Args:
        engine: Speaks; closed with this.
        params: Speaker, bounds, size of the cache.
        recogniser: Must hear the verdict of each closing phrase; None leaves it to voice activity.
    """

    def __init__(self, engine: SpeechEngine, params: SpokenRolloutParams, recogniser: Recogniser | None = None) -> None:
        self._engine, self._params, self._recogniser = engine, params, recogniser
        self._pool = ThreadPoolExecutor(params.speech.workers, thread_name_prefix="rollout-speech")
        self._facts: OrderedDict[tuple[str, bool], Future[ClipFacts | Defect]] = OrderedDict()
        self._usage = SpeechUsage()
        self._counting, self._listening = threading.Lock(), threading.Lock()

    def say(self, answer: str, closes: bool) -> PendingSpeech:
        """Begin to speak an answer (its `spoken_form`), and return at once.

        Args:
            answer: A response or an annotated response.
            closes: Whether it is known to end with a verdict, whose closing phrase must then be heard.
        """
        body, closing = closing_apart(spoken_form(answer))
        chunks = [self._begin(chunk, False) for chunk in split_text(body) if chunk.strip()]
        return PendingSpeech(chunks, self._begin(closing, True) if closing else None, closes, self._params)

    def wait(self, speech: PendingSpeech) -> SpeechFacts:
        """What was heard; waits until all is said, and counts the time.

        Raises:
            SoundmindError: A speaking process died.
        """
        started = time.perf_counter()
        facts = speech.facts()
        self._usage.wait_seconds += time.perf_counter() - started
        return facts

    def take_usage(self) -> SpeechUsage:
        """What speaking took since the last call."""
        with self._counting:
            usage, self._usage = self._usage, SpeechUsage()
        return usage

    def close(self) -> None:
        """End all speech."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._engine.close()
        self._pool.shutdown()

    def _begin(self, text: str, is_closing: bool) -> Future[ClipFacts | Defect]:
        self._usage.chunks += 1
        key = (text, is_closing)
        if key in self._facts:
            self._usage.remembered += 1
            self._facts.move_to_end(key)
            return self._facts[key]
        future = self._facts[key] = self._pool.submit(self._measure, text, is_closing)
        if len(self._facts) > self._params.cached_chunks:
            self._facts.popitem(last=False)
        return future

    def _measure(self, text: str, is_closing: bool) -> ClipFacts | Defect:
        """Speak and measure one chunk; in a thread, while a process of the engine makes the sound."""
        started = time.perf_counter()
        try:
            [wave] = self._engine.speak_many([draw_utterance(self._params.speech, _SPEAKER, text)])
            if is_closing and self._recogniser:
                with self._listening:
                    [transcript] = self._recogniser.transcribe_many([wave])
                if heard_verdict(transcript) != heard_verdict(text):
                    return "closing_misheard"
            return clip_facts(wave)
        except UnspeakableError:
            return "unspeakable"
        finally:
            with self._counting:
                self._usage.worker_seconds += time.perf_counter() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def rollout_speaker(params: RlParams) -> Iterator[RolloutSpeaker | None]:
    """The speaker of `params.spoken`, or None where nothing is spoken.

    Raises:
        SoundmindError: The engine, the recogniser or weights of theirs are not installed, or are damaged.
    """
    if not params.speaks:
        yield None
        return
    recogniser = None
    if params.spoken.closing_check == "recogniser":
        from soundmind_pipeline.speech.recognisers.opening import open_recogniser

        beat("opening the recogniser")
        recogniser = open_recogniser(params.spoken.recogniser)
    with RolloutSpeaker(open_engine(params.spoken.speech), params.spoken, recogniser) as speaker:
        yield speaker

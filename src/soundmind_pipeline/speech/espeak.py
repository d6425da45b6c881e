"""Speech from espeak-ng, made in worker processes.

espeak-ng is GPL-3 and not thread-safe: it is loaded by :mod:`soundmind_pipeline.speech.espeak_worker`, a process of
its own that is spoken to over pipes, and never into this one. The library and its data come with the PyPI package
``espeakng-loader``; nothing is downloaded and nothing needs to be installed beside it.

The same utterance gives the same bytes, whatever was spoken before it and however many workers there are.
"""

import json
import queue
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from types import TracebackType

import numpy as np
import soxr

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech import espeak_worker
from soundmind_pipeline.speech.espeak_worker import ERROR, REQUEST, read_frame, write_frame

SAMPLE_RATE = 16_000
"""Rate of the waves given out, in Hz (espeak-ng itself speaks at 22,050)."""


@dataclass(frozen=True)
class Utterance:
    """A text and how to speak it.

    Attributes:
        text: What is said; not blank, without NUL characters.
        voice: Name of a voice of the engine.
        words_per_minute: Speaking rate, 80 to 450.
        pitch: 0 (low) to 99 (high).
    """

    text: str
    voice: str
    words_per_minute: int
    pitch: int

    def __post_init__(self) -> None:
        """Refuse what the engine would cut short or clamp without a word."""
        if not self.text.strip() or "\0" in self.text:
            raise SoundmindError(f"Cannot speak {self.text!r}: it is blank or holds a NUL character.")
        if not 80 <= self.words_per_minute <= 450 or not 0 <= self.pitch <= 99:
            raise SoundmindError(
                f"Cannot speak {self.text!r} at {self.words_per_minute} words per minute with pitch {self.pitch}.",
                hint="espeak-ng takes 80 to 450 words per minute and a pitch of 0 to 99.",
            )


def engine_name() -> str:
    """Engine and version, for provenance, e.g. ``espeak-ng (espeakng-loader 0.2.4)``."""
    return f"espeak-ng (espeakng-loader {version('espeakng-loader')})"


class EspeakWorker:
    """One speaking process with one voice; a context manager that ends the process.

    Args:
        voice: Name of a voice.
        seconds: The most one utterance may take before it is given up.

    Raises:
        SoundmindError: There is no such voice, or the process cannot start.
    """

    def __init__(self, voice: str, seconds: float = 60.0) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self.process = subprocess.Popen(
            # -P: the script's folder must not shadow modules of the standard library.
            [sys.executable, "-P", espeak_worker.__file__, voice, str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            process_group=0,  # Ctrl-C is for the parent, which then ends the worker
        )
        try:
            kind, payload = self._answer("start")
            if kind == ERROR:
                raise SoundmindError(f"espeak-ng cannot start: {payload.decode()}.")
        except BaseException:
            self.close()
            raise
        self.sample_rate: int = json.loads(payload)["sample_rate"]

    def speak(self, utterance: Utterance) -> np.ndarray:
        """The wave of ``utterance`` (whose voice is this process's): ``[samples]`` float32 at :data:`SAMPLE_RATE`.

        Raises:
            SoundmindError: The engine refused the utterance, or the process died; the message holds the text.
        """
        task = f"speak {utterance.text!r}"
        assert self.process.stdin is not None
        try:
            write_frame(self.process.stdin, REQUEST, json.dumps(asdict(utterance)).encode())
        except OSError:
            raise self._death(task) from None
        kind, payload = self._answer(task)
        if kind == ERROR:
            raise SoundmindError(f"espeak-ng could not {task}: {payload.decode()}.")
        wave = np.frombuffer(payload, dtype="<i2").astype(np.float32) / 32768
        return soxr.resample(wave, self.sample_rate, SAMPLE_RATE, quality="HQ")

    def close(self) -> None:
        """End the process: it leaves by itself when its stdin ends, and is killed if it does not."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._complaints.close()

    def _answer(self, task: str) -> tuple[int, bytes]:
        assert self.process.stdout is not None
        frame = read_frame(self.process.stdout)
        if frame is None:
            raise self._death(task)
        return frame

    def _death(self, task: str) -> SoundmindError:
        try:
            code = str(self.process.wait(timeout=2))
        except subprocess.TimeoutExpired:
            code = "unknown"
        self._complaints.seek(0)
        said = self._complaints.read().decode(errors="replace").strip().splitlines()
        last = f" It said: {said[-1]}" if said else ""
        return SoundmindError(
            f"The espeak-ng process died (exit status {code}) when asked to {task}.{last}",
            hint="Check that `python -c 'import espeakng_loader'` works and that memory suffices; then run it again.",
        )

    def __enter__(self) -> "EspeakWorker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def synthesize_many(utterances: Sequence[Utterance], workers: int = 2, seconds: float = 60.0) -> Iterator[np.ndarray]:
    """Speak ``utterances`` in their order.

    Waves are made a little ahead of the consumer, never all at once: memory does not grow with their number.

    Args:
        utterances: What to speak.
        workers: How many processes speak at a time; the waves do not depend on it. (Each has a process for each voice
            it has met, all but one of them asleep.)
        seconds: The most one utterance may take.

    Yields:
        One wave an utterance, ``[samples]`` float32 in [-1, 1) at :data:`SAMPLE_RATE`.

    Raises:
        SoundmindError: An utterance cannot be spoken or a process died; the message holds the text.
    """
    workers = min(workers, len(utterances))
    if workers == 0:
        return
    crews: list[dict[str, EspeakWorker]] = [{} for _ in range(workers)]
    idle: queue.SimpleQueue[dict[str, EspeakWorker]] = queue.SimpleQueue()
    for crew in crews:
        idle.put(crew)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="espeak")

    def speak(utterance: Utterance) -> np.ndarray:
        crew = idle.get()
        try:
            if utterance.voice not in crew:
                crew[utterance.voice] = EspeakWorker(utterance.voice, seconds)
            return crew[utterance.voice].speak(utterance)
        finally:
            idle.put(crew)

    try:
        ahead: deque[Future[np.ndarray]] = deque()
        for utterance in utterances:
            ahead.append(pool.submit(speak, utterance))
            if len(ahead) >= 8 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        for crew in crews:
            for worker in crew.values():
                worker.close()

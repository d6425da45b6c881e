"""Engines that speak in worker processes: one voice a process, several processes at a time."""

import json
import os
import queue
import subprocess
import sys
import tempfile
from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType
from typing import Final, Self

import numpy as np
import soxr

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.engines.engine import SAMPLE_RATE, SpeechEngine, UnspeakableError, Utterance
from soundmind_pipeline.speech.engines.serving import ERROR, REQUEST, read_frame, write_frame

_AHEAD: Final = 8
"""Waves made ahead of the consumer, a worker."""
_ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class SpeakingProcess:
    """One speaking process with one voice; a context manager that ends the process.

    Args:
        engine: Name of the engine, for messages.
        command: The worker module, and its arguments.
        hint: What to check when the process dies.

    Raises:
        SoundmindError: There is no such voice, or the process cannot start.
    """

    def __init__(self, engine: str, command: Sequence[str], hint: str) -> None:
        self._engine, self._hint = engine, hint
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(
            # -P: the current folder must not shadow modules.
            [sys.executable, "-P", "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            process_group=0,  # Ctrl-C is for the parent, which then ends the worker
            env=os.environ | _ONE_THREAD,  # a process with threads cannot be forked safely, and workers are many
        )
        try:
            kind, payload = self._answer("start")
            if kind == ERROR:
                raise SoundmindError(f"{engine} cannot start: {payload.decode()}.")
        except BaseException:
            self.close()
            raise
        facts = json.loads(payload)
        self.sample_rate: int = facts["sample_rate"]
        self._sample_type: str = facts["sample_type"]

    @property
    def is_alive(self) -> bool:
        """Whether the process can be asked."""
        return self.process.poll() is None

    def speak(self, utterance: Utterance) -> np.ndarray:
        """The wave of ``utterance`` (whose voice is this process's): ``[samples]`` float32 at :data:`SAMPLE_RATE`.

        Raises:
            UnspeakableError: The engine refused the utterance; the message holds the text.
            SoundmindError: The process died; the message holds the text.
        """
        task = f"speak {utterance.text!r}"
        assert self.process.stdin is not None
        try:
            write_frame(self.process.stdin, REQUEST, json.dumps(asdict(utterance)).encode())
        except OSError:
            raise self._death(task) from None
        kind, payload = self._answer(task)
        if kind == ERROR:
            raise UnspeakableError(f"{self._engine} could not {task}: {payload.decode()}.")
        wave = np.frombuffer(payload, dtype=self._sample_type).astype(np.float32)
        if self._sample_type == "<i2":
            wave /= 32768
        # The filter overshoots where a wave comes close to full scale.
        return np.clip(soxr.resample(wave, self.sample_rate, SAMPLE_RATE, quality="HQ"), -1, 1)

    def close(self) -> None:
        """End the process, speaking or not: it leaves when its stdin ends, and is killed if it does not."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()  # last: another thread may wait there for a wave
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
            f"The {self._engine} process died (exit status {code}) when asked to {task}.{last}", hint=self._hint
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ProcessEngine(SpeechEngine):
    """An engine in worker processes, which are started when they are first needed and live until :meth:`close`.

    Args:
        workers: How many processes speak at a time; the waves do not depend on it. (Each worker has a process for each
            voice it has met, all but one of them asleep.)
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._crews: list[dict[str, SpeakingProcess]] = [{} for _ in range(workers)]
        # Last in, first out: one utterance at a time starts one process only.
        self._idle: queue.LifoQueue[dict[str, SpeakingProcess]] = queue.LifoQueue()
        for crew in self._crews:
            self._idle.put(crew)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=self.name)

    @abstractmethod
    def start(self, voice: str) -> SpeakingProcess:
        """A process that speaks with ``voice``."""

    def check(self, utterance: Utterance) -> None:
        """Raise SoundmindError unless the engine can be asked for ``utterance``."""

    def speak_many(self, utterances: Iterable[Utterance]) -> Iterator[np.ndarray]:
        """See :meth:`SpeechEngine.speak_many`."""
        ahead: deque[Future[np.ndarray]] = deque()
        try:
            for utterance in utterances:
                self.check(utterance)
                ahead.append(self._pool.submit(self._speak, utterance))
                if len(ahead) >= _AHEAD * self._workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

    def _speak(self, utterance: Utterance) -> np.ndarray:
        crew = self._idle.get()
        try:
            if utterance.voice in crew and not crew[utterance.voice].is_alive:
                crew.pop(utterance.voice).close()
            if utterance.voice not in crew:
                crew[utterance.voice] = self.start(utterance.voice)
            return crew[utterance.voice].speak(utterance)
        finally:
            self._idle.put(crew)

    def close(self) -> None:
        """End every process; what is being spoken is given up."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._close_processes()
        self._pool.shutdown()
        self._close_processes()  # those that were starting

    def _close_processes(self) -> None:
        for crew in self._crews:
            for process in list(crew.values()):
                process.close()

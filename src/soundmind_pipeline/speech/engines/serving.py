"""The speaking process's side: reads requests on stdin and answers with waves on stdout.

Imported by the worker modules (``espeak_worker``, ``piper_worker``, ``kokoro_worker``), which run as processes of their
own, and imports nothing but the standard library.

Engines carry state from one utterance to the next: the same text spoken twice in one espeak-ng process differs, and so
does Piper's noise. So every utterance is spoken by a child, forked from a process that has loaded the voice and has
never spoken. The same request gives the same bytes, whatever was spoken before it.

Frames on both pipes: a header ``<BI`` (kind, length of the payload), then the payload. The first frame sent is READY
with the sample rate and the type of the samples. The process ends when stdin ends, even while it speaks, so it
never outlives the one that started it.
"""

import json
import os
import select
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol

HEADER = struct.Struct("<BI")
READY, WAVE, ERROR, REQUEST = range(4)


class Voice(Protocol):
    """An engine with one voice loaded; :meth:`speak` is called once in each forked child."""

    sample_rate: int
    """Rate of the samples, in Hz."""
    sample_type: str
    """NumPy's name of the samples' type: ``<i2`` or ``<f4``."""

    def speak(self, request: dict[str, Any]) -> bytes:
        """Mono samples of ``request["text"]``; empty where no sound comes out."""
        ...


def serve(load: Callable[[], Voice], seconds: float) -> None:
    """Answer requests until stdin ends.

    Args:
        load: Makes the voice; an exception is reported to the parent and ends the process.
        seconds: The most one utterance may take.
    """
    with _private_pipes() as (incoming, answers):
        try:
            voice = load()
        except Exception as error:
            write_frame(answers, ERROR, _in_words(error))
            return
        facts = {"sample_rate": voice.sample_rate, "sample_type": voice.sample_type}
        write_frame(answers, READY, json.dumps(facts).encode())
        while frame := read_frame(incoming):
            answer = speak_in_child(voice, json.loads(frame[1]), seconds, incoming)
            if answer is None:
                return
            write_frame(answers, *answer)


def speak_in_child(
    voice: Voice, request: dict[str, Any], seconds: float, incoming: IO[bytes]
) -> tuple[int, bytes] | None:
    """Speak one request in a forked child that is killed after ``seconds``, or as soon as ``incoming`` ends.

    Returns:
        The frame to answer with; None if nobody waits for it any more.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _speak_and_leave(voice, request, seconds, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        # Requests wait for the answer to the one before: what can be read of them now is their end.
        if pipe not in select.select([pipe, incoming], [], [])[0]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        answer = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == -signal.SIGALRM:
        return ERROR, f"no end after {seconds:g} s".encode()
    if code != 0 or not answer:
        return ERROR, (f"the engine died of {signal.Signals(-code).name}" if code < 0 else "the engine failed").encode()
    kind, payload = answer[0], answer[1:]
    return (kind, payload) if payload else (ERROR, b"no sound came out")


def _speak_and_leave(voice: Voice, request: dict[str, Any], seconds: float, writing: int) -> None:
    """The child's whole life: one byte for the kind of the answer, then the answer."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            answer = bytes([WAVE]) + voice.speak(request)
        except Exception as error:
            answer = bytes([ERROR]) + _in_words(error)
        signal.setitimer(signal.ITIMER_REAL, 0)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    finally:
        os._exit(1)  # the parent's loop and its cleaning up are not the child's


def _in_words(error: Exception) -> bytes:
    return (str(error) or type(error).__name__).encode()


def read_frame(stream: IO[bytes]) -> tuple[int, bytes] | None:
    """The next frame ``(kind, payload)``, or None at (or within a frame cut off by) the end of ``stream``."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    kind, length = HEADER.unpack(header)
    payload = stream.read(length)
    return (kind, payload) if len(payload) == length else None


def write_frame(stream: IO[bytes], kind: int, payload: bytes) -> None:
    """Write one frame and flush it."""
    stream.write(HEADER.pack(kind, len(payload)) + payload)
    stream.flush()


@contextmanager
def _private_pipes() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Standard input and output as binary streams; what a library prints goes to standard error instead."""
    outgoing = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    with os.fdopen(os.dup(0), "rb") as incoming, os.fdopen(outgoing, "wb") as answers:
        yield incoming, answers

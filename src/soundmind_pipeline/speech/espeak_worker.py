"""The speaking process: reads utterances on stdin and answers with waves on stdout.

Started by :mod:`soundmind_pipeline.speech.espeak`, as a script of its own: it imports nothing of this package, so that
the GPL-3 engine that it loads is linked into this small process and into no other.

espeak-ng carries state from one utterance to the next: the same text spoken twice in one process differs. So every
utterance is spoken by a child, forked from a process that has never spoken and that knows one voice only. Measured on
one core, per 3 s utterance: fork per utterance 3.3 ms, and 5.9 ms when the child also has to load the voice;
re-initialising the library instead of forking (4.6 ms) does not give the same bytes.

Arguments: the voice, and the most seconds one utterance may take. Frames on both pipes: a header ``<BI`` (kind, length
of the payload), then the payload. The first frame sent is READY. The process ends when stdin ends, so it never
outlives the one that started it.
"""

import ctypes
import json
import os
import signal
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

HEADER = struct.Struct("<BI")
READY, WAVE, ERROR, REQUEST = range(4)

# Values of speak_lib.h.
_SYNCHRONOUS_OUTPUT = 2
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_RATE, _PITCH = 1, 3

_SEED = 1

_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The library with one voice; :meth:`speak` may be called once in each forked child.

    Args:
        voice: Name of a voice.
    """

    def __init__(self, voice: str) -> None:
        import espeakng_loader  # here, so that the frames below can be imported without it

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.sample_rate: int = self._library.espeak_Initialize(_SYNCHRONOUS_OUTPUT, 0, data, _DO_NOT_EXIT)
        if self.sample_rate <= 0:
            raise RuntimeError(f"espeak-ng cannot initialise from {data.decode()}")
        self._chunks: list[bytes] = []
        self._callback = _SynthCallback(self._keep)  # a reference: the library keeps only the address
        self._library.espeak_SetSynthCallback(self._callback)
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice!r}")

    def _keep(self, samples: Any, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    def speak(self, text: str, words_per_minute: int, pitch: int) -> bytes:
        """16-bit little-endian mono samples of ``text``."""
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        # Breathy voices are random, from a seed that the library takes from the clock unless it is given one.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        data = text.encode()
        if self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None) != 0:
            raise RuntimeError("espeak_Synth refused the text")
        return b"".join(self._chunks)


def speak_in_child(engine: Espeak, request: dict[str, Any], seconds: float) -> tuple[int, bytes]:
    """Speak one request in a forked child that is killed after ``seconds``; the frame to answer with."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            wave = engine.speak(request["text"], request["words_per_minute"], request["pitch"])
            signal.setitimer(signal.ITIMER_REAL, 0)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(wave)
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        wave = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == -signal.SIGALRM:
        return ERROR, f"no end after {seconds:g} s".encode()
    if code != 0:
        return ERROR, (f"the engine died of {signal.Signals(-code).name}" if code < 0 else "the engine failed").encode()
    return (WAVE, wave) if wave else (ERROR, b"no sound came out")


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
    """Standard input and output as binary streams; what the library prints goes to standard error instead."""
    outgoing = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(os.dup(0), "rb") as incoming, os.fdopen(outgoing, "wb") as answers:
        yield incoming, answers


def main(voice: str, seconds: float) -> None:
    """Answer requests until stdin ends."""
    with _private_pipes() as (incoming, answers):
        try:
            engine = Espeak(voice)
        except (RuntimeError, OSError, ImportError) as error:
            write_frame(answers, ERROR, str(error).encode())
            return
        write_frame(answers, READY, json.dumps({"sample_rate": engine.sample_rate}).encode())
        while frame := read_frame(incoming):
            write_frame(answers, *speak_in_child(engine, json.loads(frame[1]), seconds))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))

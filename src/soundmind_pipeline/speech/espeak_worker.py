"""The speaking process of espeak-ng: the GPL-3 library is linked into it and into no other.

Started by :mod:`soundmind_pipeline.speech.espeak`; :mod:`soundmind_pipeline.speech.engines.serving` says how it is
spoken to, and why every utterance is spoken by a forked child. Measured on one core, per 3 s utterance: fork per
utterance 3.3 ms, and 5.9 ms when the child also has to load the voice; re-initialising the library instead of forking
(4.6 ms) does not give the same bytes.

Arguments: the voice, and the most seconds one utterance may take.
"""

import ctypes
import sys
from typing import Any

from soundmind_pipeline.speech.engines.serving import serve

# Values of speak_lib.h.
_SYNCHRONOUS_OUTPUT = 2
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_RATE, _PITCH = 1, 3

_SEED = 1

_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The library with one voice.

    Args:
        voice: Name of a voice.

    Raises:
        RuntimeError: The library cannot initialise, or has no such voice.
    """

    sample_type = "<i2"

    def __init__(self, voice: str) -> None:
        import espeakng_loader

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

    def speak(self, request: dict[str, Any]) -> bytes:
        """Samples of ``text`` at ``words_per_minute`` and ``pitch``."""
        self._library.espeak_SetParameter(_RATE, request["words_per_minute"], 0)
        self._library.espeak_SetParameter(_PITCH, request["pitch"], 0)
        # Breathy voices are random, from a seed that the library takes from the clock unless it is given one.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        data = request["text"].encode()
        if self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None) != 0:
            raise RuntimeError("espeak_Synth refused the text")
        return b"".join(self._chunks)


if __name__ == "__main__":
    serve(lambda: Espeak(sys.argv[1]), float(sys.argv[2]))

"""The speaking process of Kokoro-82M, whose phonemes come from espeak-ng: GPL-3, and loaded into no other process.

Started by :mod:`soundmind_pipeline.speech.engines.kokoro`.

Arguments: the ONNX model, the voice's file (``voices/<voice>.bin``, or an archive of several voices), the voice's name,
and the most seconds one utterance may take.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from soundmind_pipeline.speech.engines.serving import serve

_LANGUAGES = {"a": "en-us", "b": "en-gb"}
"""espeak-ng's accent for the first letter of a voice's name."""
_STYLE_SHAPE = (-1, 1, 256)
"""A voice: one style vector for each length in phonemes."""


class Kokoro:
    """The model with one voice, on one thread.

    Args:
        model: The ONNX file.
        voice_file: Raw float32 styles of one voice, or an ``.npz`` archive of several.
        voice: The voice's name.

    Raises:
        KeyError: The archive has no such voice.
    """

    sample_type = "<f4"
    sample_rate = 24_000

    def __init__(self, model: str, voice_file: str, voice: str) -> None:
        import onnxruntime
        from kokoro_onnx import Kokoro as Model

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._language = _LANGUAGES[voice[0]]
        with tempfile.NamedTemporaryFile(suffix=".npz") as archive:  # the only form that the library loads
            with open(archive.name, "wb") as file:
                np.savez(file, voice=read_style(Path(voice_file), voice))
            self._model = Model.from_session(session, archive.name)
            self._style = self._model.get_voice_style("voice")

    def speak(self, request: dict[str, Any]) -> bytes:
        """Samples of ``text`` at ``speed``."""
        samples, _ = self._model.create(request["text"], self._style, speed=request["speed"], lang=self._language)
        return np.asarray(samples, dtype="<f4").tobytes()


def read_style(file: Path, voice: str) -> np.ndarray:
    """The styles of ``voice``: ``[phonemes, 1, 256]`` float32."""
    with open(file, "rb") as start:
        is_archive = start.read(2) == b"PK"
    if is_archive:
        with np.load(file) as voices:
            return voices[voice].astype(np.float32)
    return np.fromfile(file, dtype="<f4").reshape(_STYLE_SHAPE)


if __name__ == "__main__":
    model, voice_file, voice, seconds = sys.argv[1:]
    serve(lambda: Kokoro(model, voice_file, voice), float(seconds))

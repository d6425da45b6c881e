"""The speaking process of Piper: the GPL-3 engine is loaded into it and into no other.

Started by :mod:`soundmind_pipeline.speech.engines.piper`.

Arguments: the voice's ONNX file (its configuration stands beside it, with ``.json`` added to the name), noise scale,
duration noise scale, seed, and the most seconds one utterance may take.
"""

import json
import sys
from pathlib import Path
from typing import Any

from soundmind_pipeline.speech.engines.serving import serve

_VOLUME = 0.7
"""Peak of each sentence: 3 dB below full scale, so that resampling does not clip."""


class Piper:
    """One voice, on one thread.

    Args:
        model: The voice's ONNX file.
        noise_scale: How much the sound varies; 0 for none.
        noise_w_scale: How much the durations of phonemes vary; 0 for none.
        seed: Seed of both.
    """

    sample_type = "<f4"

    def __init__(self, model: str, noise_scale: float, noise_w_scale: float, seed: int) -> None:
        import onnxruntime
        from piper.config import PiperConfig
        from piper.voice import PiperVoice

        onnxruntime.set_seed(seed)  # taken when the session is made; every forked child starts from there
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._voice = PiperVoice(
            config=PiperConfig.from_dict(json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))),
            session=onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]),
        )
        self._noise = {"noise_scale": noise_scale, "noise_w_scale": noise_w_scale}
        self.sample_rate: int = self._voice.config.sample_rate

    def speak(self, request: dict[str, Any]) -> bytes:
        """Samples of ``text`` at ``speed``."""
        from piper.config import SynthesisConfig

        manner = SynthesisConfig(length_scale=1 / request["speed"], volume=_VOLUME, **self._noise)
        text = request["text"].replace("[[", "[ [")  # Piper takes [[...]] for phonemes
        return b"".join(chunk.audio_float_array.tobytes() for chunk in self._voice.synthesize(text, manner))


if __name__ == "__main__":
    model, noise_scale, noise_w_scale, seed, seconds = sys.argv[1:]
    serve(lambda: Piper(model, float(noise_scale), float(noise_w_scale), int(seed)), float(seconds))

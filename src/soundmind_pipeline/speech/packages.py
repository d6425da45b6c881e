"""Whether speakers and recognisers are installed, found out before a run of minutes or days."""

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.params import SpeechParams
from soundmind_pipeline.speech.recognisers.params import RecogniserParams


def require_packages(
    block: str, way_out: str, speakers: Iterable[SpeechParams] = (), listeners: Iterable[RecogniserParams] = ()
) -> None:
    """Look for the packages of engines and recognisers; reads no weights and loads no model.

    Args:
        block: The parameters that ask for them, for the message.
        way_out: How to do without, for the message.
        speakers: Engines that are to speak.
        listeners: Recognisers that are to listen.

    Raises:
        SoundmindError: A package is not installed.
    """
    needed = [need for speaker in speakers for need in _of_engine(speaker)]
    needed += [need for listener in listeners for need in _of_recogniser(listener)]
    missing = [(module, extra) for module, extra in needed if find_spec(module) is None]
    if missing:
        modules = ", ".join(dict.fromkeys(module for module, _ in missing))
        extras = ",".join(dict.fromkeys(extra for _, extra in missing))
        raise SoundmindError(
            f"{block}: speech cannot be made or heard, not installed: {modules}.",
            hint=f"pip install -c constraints.txt -e '.[{extras}]', or {way_out}.",
        )


def _of_engine(params: SpeechParams) -> Iterator[tuple[str, str]]:
    """Modules that the engine needs, each with its extra."""
    if params.engine == "piper":
        from soundmind_pipeline.speech.engines.piper import EXTRA, KNOWN_VOICES

        yield "piper", EXTRA
        if params.piper.weights is None:
            for file in KNOWN_VOICES.get(params.piper.voice, ()):
                yield from ((module, EXTRA) for _, module, _ in file.parts)
    if params.engine == "kokoro":
        from soundmind_pipeline.speech.engines.kokoro import EXTRA, MODEL

        yield "kokoro_onnx", EXTRA
        if params.kokoro.weights is None:
            yield from ((module, EXTRA) for _, module, _ in MODEL.parts)


def _of_recogniser(params: RecogniserParams) -> Iterator[tuple[str, str]]:
    """Modules that the recogniser needs, each with its extra; those of a hub repository are known once it is there."""
    from soundmind_pipeline.speech.recognisers.opening import KNOWN_MODELS

    if params.model in KNOWN_MODELS:
        extra, files = KNOWN_MODELS[params.model]
        yield "faster_whisper", extra
        yield from ((module, extra) for file in files for _, module, _ in file.parts)
    elif (Path(params.model) / "model.bin").is_file():
        yield "faster_whisper", "asr"

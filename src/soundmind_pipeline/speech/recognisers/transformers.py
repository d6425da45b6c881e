"""Speech recognisers of transformers: Whisper, and CTC models such as wav2vec 2.0."""

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.speech.recognisers.params import RecogniserParams
from soundmind_pipeline.speech.recognisers.recogniser import SAMPLE_RATE, Clip, Recogniser, wave_of

_CTC_CHUNK_SECONDS: Final = 30.0
"""Longer clips are heard in overlapping chunks by CTC models; Whisper has windows of its own."""

_WEIGHTS: Final = (".safetensors", ".bin")
"""Endings of the files that weights come in."""


class TransformersRecogniser(Recogniser):
    """A model folder of transformers, with its processor.

    Args:
        folder: Holds config.json, the weights as safetensors or in PyTorch's format, and the processor.
        params: Device and beams.

    Raises:
        SoundmindError: The folder holds no usable recogniser, or there is no CUDA device where one is asked for.
    """

    def __init__(self, folder: Path, params: RecogniserParams) -> None:
        import torch
        from transformers import pipeline

        if params.device == "cuda" and not torch.cuda.is_available():
            raise SoundmindError("The recogniser's device is cuda, but torch finds none.", hint="Set it to cpu.")
        self._folder, self._params = folder, params
        try:
            self._pipeline = pipeline("automatic-speech-recognition", model=str(folder), device=params.device)
        except (OSError, ValueError, KeyError) as error:
            raise SoundmindError(
                f"{folder} holds no speech recogniser ({type(error).__name__}: {error}).",
                hint="Save the model and its processor there, or name another folder or hub repository.",
            ) from error
        if self._pipeline.type not in ("seq2seq_whisper", "ctc", "ctc_with_lm"):
            # The pipeline joins the overlapping chunks of other models with the words of the overlap twice.
            raise SoundmindError(
                f"{folder} holds a {self._pipeline.model.config.model_type}, which cannot hear long clips here.",
                hint="Name a Whisper or a CTC model.",
            )
        self._options: dict[str, Any] = {"chunk_length_s": _CTC_CHUNK_SECONDS}
        if self._pipeline.type == "seq2seq_whisper":
            generation = self._pipeline.model.generation_config
            language = {"language": "en"} if getattr(generation, "is_multilingual", False) else {}
            self._options = {
                "return_timestamps": True,  # what Whisper needs to move its window over a long clip
                "generate_kwargs": {"num_beams": params.beam_size, "do_sample": False, **language},
            }

    def describe(self) -> dict[str, Any]:
        """Package version, model, checksums and decoding settings."""
        kind = self._pipeline.model.config.model_type
        weights = sorted(file for file in self._folder.iterdir() if file.suffix in _WEIGHTS)
        return {
            "recogniser": f"{kind} (transformers {version('transformers')})",
            "model": self._params.model,
            "weights": {file.name: sha256_of(file) for file in weights},
            "beam_size": self._params.beam_size,
        }

    def transcribe_many(self, clips: Iterable[Clip]) -> list[str]:
        """See :meth:`Recogniser.transcribe_many`."""
        return [self._transcribe(clip) for clip in clips]

    def _transcribe(self, clip: Clip) -> str:
        heard = self._pipeline({"raw": wave_of(clip), "sampling_rate": SAMPLE_RATE}, **self._options)
        return str(heard["text"]).strip()

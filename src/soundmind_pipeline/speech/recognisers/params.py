"""Parameters of speech recognition."""

from typing import Literal

from pydantic import Field

from soundmind_pipeline.params import Params


class RecogniserParams(Params):
    """What listens to speech (extra `asr`)."""

    model: str = "tiny.en"
    """`tiny.en` or `base` for Whisper as packages have it, or a folder or hub repository, of faster-whisper (it holds
    a model.bin) or of transformers (Whisper or a CTC model)."""
    weights_folder: str = "data/06_models/speech"
    """Where weights are joined and copied to from the hub; relative to the project."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the recogniser runs."""
    compute_type: Literal["int8", "float16", "float32"] = "int8"
    """Number type of faster-whisper's weights while it computes; a transformers model keeps its own."""
    beam_size: int = Field(default=1, ge=1, le=16)
    """Number of beams of a Whisper model; 1 decodes greedily."""
    workers: int = Field(default=2, ge=1, le=64)
    """Number of clips that faster-whisper hears at a time, one thread each; the transcripts do not depend on it."""

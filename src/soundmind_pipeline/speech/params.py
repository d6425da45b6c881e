"""Parameters of spoken questions and answers."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from soundmind_pipeline.params import Params

SpeakingRate = Annotated[int, Field(ge=80, le=450)]
Pitch = Annotated[int, Field(ge=0, le=99)]
Speed = Annotated[float, Field(ge=0.5, le=2)]


def _in_order(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"the low end {value[0]} is above the high end {value[1]}")
    return value


class PiperParams(Params):
    """How Piper speaks (extra `piper`)."""

    voice: str = "en_US-joe-medium"
    """Name of the voice as Piper writes it: language_REGION-name-quality."""
    weights: str | None = None
    """Folder or hub repository with the voice's .onnx and .onnx.json; null takes the package of a known voice."""
    speed: tuple[Speed, Speed] = (1.0, 1.0)
    """Slowest and fastest speaking rate, 0.5 to 2 times the voice's own; each text draws one in between."""
    noise_scale: float = Field(default=0.0, ge=0, le=2)
    """How much the sound of a voice varies; 0 for none, Piper's own default is 0.667."""
    noise_w_scale: float = Field(default=0.0, ge=0, le=2)
    """How much the durations of phonemes vary; 0 for none, Piper's own default is 0.8."""

    _speed_in_order = field_validator("speed")(_in_order)


class KokoroParams(Params):
    """How Kokoro speaks (extra `kokoro`)."""

    voice: str = "af_heart"
    """Name of an English voice: a for American or b for British, f or m, and a name."""
    weights: str | None = None
    """Folder or hub repository with the model and voices; null takes the packages."""
    model: str = "onnx/model_quantized.onnx"
    """The model in that folder or repository; not looked at where the packages are taken."""
    speed: tuple[Speed, Speed] = (1.0, 1.0)
    """Slowest and fastest speaking rate, 0.5 to 2 times the voice's own; each text draws one in between."""

    _speed_in_order = field_validator("speed")(_in_order)


class SpeechParams(Params):
    """How questions, and on demand answers, are spoken."""

    engine: Literal["espeak", "piper", "kokoro"] = "espeak"
    """What speaks: espeak-ng comes with the project, Piper and Kokoro are extras; see docs/speech.md."""
    answers: bool = False
    """Whether the reference answers are spoken too."""
    voice: str = "en-us"
    """Name of an espeak-ng voice."""
    words_per_minute: tuple[SpeakingRate, SpeakingRate] = (250, 270)
    """Slowest and fastest speaking rate of espeak-ng; each text draws one in between (espeak-ng speaks 80 to 450)."""
    pitch: tuple[Pitch, Pitch] = (45, 55)
    """Lowest and highest pitch of espeak-ng, 0 to 99; each text draws one in between."""
    piper: PiperParams = PiperParams()
    """Voice and rate where the engine is Piper."""
    kokoro: KokoroParams = KokoroParams()
    """Voice and rate where the engine is Kokoro."""
    weights_folder: str = "data/06_models/speech"
    """Where weights are joined, unpacked and copied to from the hub; relative to the project."""
    seed: int = 0
    """Seed of these draws (a text's draw depends on the seed and its uid only) and of Piper's noise."""
    workers: int = Field(default=2, ge=1, le=256)
    """Number of speaking processes; the waves do not depend on it."""

    _ranges_in_order = field_validator("words_per_minute", "pitch")(_in_order)


class WellSpokenParams(Params):
    """When a spoken answer counts as well formed."""

    quietest_db: float = Field(default=-50.0, ge=-60, le=0)
    """Loud level (dB of full scale, 5% of the frames are louder) below which a clip counts as silent."""
    longest_tail_seconds: float = Field(default=0.5, gt=0)
    """Most silence behind the last speech of a clip; more of it means that the speech broke off."""
    shortest_closing_seconds: float = Field(default=0.5, gt=0)
    """Least speech in the closing phrase, which takes about a second."""

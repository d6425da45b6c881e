"""Parameters of the spoken answers."""

from typing import Annotated, Literal

from pydantic import Field

from soundmind_pipeline.params import DISTINCT, Params
from soundmind_pipeline.policy.talker_params import TalkerParams
from soundmind_pipeline.speech.params import SpeechParams, WellSpokenParams
from soundmind_pipeline.speech.recognisers.params import RecogniserParams

SpokenSetting = Literal["text_to_audio", "audio_to_audio"]


class AnswerSpeechParams(SpeechParams):
    """How answers are spoken; `answers` is not looked at."""

    engine: Literal["espeak", "piper", "kokoro"] = "piper"
    """What speaks: Piper is understood, espeak-ng at its usual rate is not; see docs/speech.md."""


class SpokenParams(Params):
    """Which answers are spoken, who speaks them and who listens (extra `speech` for the defaults)."""

    problems: int = Field(default=64, ge=0)
    """Number of held-out problems, from the first on, whose answers are spoken; 0 switches it off."""

    settings: Annotated[tuple[SpokenSetting, ...], DISTINCT] = Field(
        default=("text_to_audio", "audio_to_audio"), min_length=1
    )
    """Settings of the paper's tables to fill: the question as text or as speech, the answer as speech."""

    policies: Annotated[tuple[Literal["sft", "rl"], ...], DISTINCT] = Field(default=("sft", "rl"), min_length=1)
    """Policies whose answers are spoken, by their name in the predictions."""

    speaker: Literal["tts", "talker"] = "tts"
    """Who speaks: `tts` is the engine under `speech`, `talker` the speech half of Qwen2.5-Omni under `talker`."""

    speech: AnswerSpeechParams = AnswerSpeechParams()
    """Engine and voice where the speaker is `tts`."""

    talker: TalkerParams = TalkerParams()
    """Model and voice where the speaker is `talker`."""

    well_spoken: WellSpokenParams = WellSpokenParams()
    """When speech counts as well formed; other speech earns neither λ2 nor λ5."""

    recogniser: RecogniserParams = RecogniserParams()
    """Who listens: writes the transcript that word errors and the verdict heard are taken from."""

    second_recogniser: RecogniserParams | None = None
    """A second, independent listener, reported beside the first (`model: base`, another folder or hub repository)."""

    @property
    def listeners(self) -> tuple[RecogniserParams, ...]:
        """The recognisers, the first one first."""
        return (self.recogniser,) if self.second_recogniser is None else (self.recogniser, self.second_recogniser)

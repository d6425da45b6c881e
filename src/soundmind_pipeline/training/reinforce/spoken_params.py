"""Parameters of speech in reinforcement learning: what λ2 and λ5 are earned by."""

from typing import Literal

from pydantic import Field

from soundmind_pipeline.params import Params
from soundmind_pipeline.speech.params import SpeechParams, WellSpokenParams
from soundmind_pipeline.speech.recognisers.params import RecogniserParams


class SpokenRolloutParams(Params):
    """Whether and how each rollout is spoken; ``docs/rewards.md`` has what it earns and costs."""

    enabled: bool = False
    """Speak the rollouts, so that `format_audio` (λ2) and `length_audio` (λ5) can be earned; without it, or where both
    weights are 0, nothing is spoken and both earn 0."""

    speech: SpeechParams = SpeechParams()
    """Engine, voice and worker processes (of each rank); all rollouts and references have one rate and pitch, drawn by
    the seed. `answers` is not looked at."""

    well_spoken: WellSpokenParams = WellSpokenParams()
    """When speech counts as well formed; other speech earns nothing."""

    closing_check: Literal["voice_activity", "recogniser"] = "voice_activity"
    """What must find the verdict in the closing phrase: voice activity (it is spoken), or also a recogniser (it is
    understood), which wants the extra `asr` and an engine clearer than espeak-ng."""

    recogniser: RecogniserParams = RecogniserParams()
    """Who listens to closing phrases where `closing_check` is `recogniser`."""

    cached_chunks: int = Field(default=20_000, ge=1)
    """Chunks of text (400 characters at most) whose measurements are kept in memory; one that is said again is not
    spoken again."""

"""Parameters of the evaluation stage."""

from typing import Annotated, Literal, get_args

from pydantic import Field, PositiveInt, model_validator

from soundmind_pipeline.evaluation.baselines.params import BaselinesParams
from soundmind_pipeline.evaluation.spoken.params import SpokenParams
from soundmind_pipeline.params import DISTINCT, Params
from soundmind_pipeline.speech.params import SpeechParams

Control = Literal["silence", "shuffled", "noise_20db", "noise_10db", "noise_0db", "other_voice", "slower", "faster"]
CONTROLS: tuple[Control, ...] = get_args(Control)


class SampledParams(Params):
    """Answers drawn at random beside the greedy one: how often one of k is right (pass@k), and their vote."""

    problems: int = Field(default=100, ge=0)
    """Number of held-out problems, from the first on, that are answered so; 0 switches it off."""
    n: int = Field(default=8, ge=1, le=1024)
    """Answers drawn of each problem; pass@k and majority@k are given for k up to this number."""
    temperature: float = Field(default=1.0, gt=0)
    """Divides the logits; 1 draws from the policy's own distribution, as its rollouts did."""
    settings: Annotated[tuple[Literal["audio_to_text", "text_to_text", "audio_text_to_text"], ...], DISTINCT] = (
        "audio_to_text",
        "text_to_text",
    )
    """What the policies get."""


class EvaluationParams(Params):
    """How held-out problems are answered, compared and reported."""

    split: Literal["dev", "test"] = "test"
    """Problems to answer; `test` is held out from every choice, so read it once per reported run."""
    max_problems: PositiveInt | None = None
    """Answer only the first so many problems of the split; null answers all of them."""
    exclude_label_conflicts: bool = False
    """Leave out problems whose own reference contradicts their label."""
    exclude_leaks: bool = False
    """Leave out problems whose leak group stands in another split too."""
    controls: Annotated[tuple[Control, ...], DISTINCT] = CONTROLS
    """What is done to the final policy's audio: `silence` of the same length, `shuffled` = another problem's audio,
    white noise 20, 10 and 0 dB below the speech, `other_voice`, `slower` and `faster` by a fifth."""
    other_voice: SpeechParams = SpeechParams(voice="en-us+f3")
    """Who speaks the questions again for the control `other_voice`: by default a woman instead of a man, at the rate
    and pitch that the same seed gave the questions."""
    sampling: SampledParams = SampledParams()
    """Answers drawn at random, of both policies."""
    spoken: SpokenParams = SpokenParams()
    """Answers that are spoken and heard again."""
    baselines: BaselinesParams = BaselinesParams()
    """Who else answers the problems."""
    compare_with: str | None = None
    """A predictions.parquet of another run on the same problems, relative to the project, to compare this run with; a
    copy, because this run overwrites its own before it compares."""
    max_new_tokens: PositiveInt = 96
    """Longest answer in tokens; a longer one is cut and counts as badly formed."""
    batch_rows: PositiveInt = 128
    """Questions answered at once: more is faster and takes more memory."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision in which the policies answer."""
    threads: PositiveInt | None = None
    """CPU threads; null leaves the choice to PyTorch."""
    bootstrap_samples: int = Field(default=10_000, ge=100)
    """Bootstrap samples behind the interval of a paired difference, of pass@k and of majority@k."""
    seed: int = 0
    """Seed of the audio shuffle, the noise, the answers drawn at random, and the bootstrap."""
    report_examples: int = Field(default=8, ge=0, le=64)
    """Spoken problems shown in the report with their answers before and after RL."""

    @model_validator(mode="after")
    def _another_to_hear(self) -> "EvaluationParams":
        if self.max_problems == 1 and "shuffled" in self.controls:
            raise ValueError("max_problems: 1 leaves no other problem's audio to the control `shuffled`; leave it out")
        return self

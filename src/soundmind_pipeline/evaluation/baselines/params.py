"""Parameters of the baselines."""

import re
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from soundmind_pipeline.params import DISTINCT, Params
from soundmind_pipeline.problems.construction.params import EndpointParams
from soundmind_pipeline.speech.recognisers.params import RecogniserParams

HeardOrRead = Literal["audio_to_text", "text_to_text"]

PROMPT = (
    "You are given premises and a conclusion. Decide whether the premises entail the conclusion. Reason step by step "
    "inside <think> and </think>; then write one last line, either 'Answer: entailed.' or 'Answer: not entailed.'"
)


class CascadeParams(Params):
    """A speech recogniser in front of the final policy, which then only reads."""

    problems: PositiveInt = 64
    """Problems that are transcribed and answered, the first of the split."""
    recogniser: RecogniserParams = RecogniserParams()
    """What transcribes the questions."""
    normalise: bool = True
    """Hand the policy lower case without punctuation, as the nano policy's questions are; false hands on what the
    recogniser writes."""


class ModelBaseline(Params):
    """Another model, by name, on the same problems with the same scorer."""

    name: str = Field(min_length=1, max_length=60)
    """What it is called in tables."""
    settings: Annotated[tuple[HeardOrRead, ...], DISTINCT] = Field(default=("audio_to_text",), min_length=1)
    """Whether it hears the questions, reads them, or both in turn."""
    problems: PositiveInt | None = None
    """Problems it answers, the first of the split; null for all."""
    prompt: str = PROMPT
    """What it is told to do and how to answer; the scorer reads its answers in the style of `rl.reward`."""


class EndpointBaseline(ModelBaseline):
    """A model behind an endpoint that speaks OpenAI's protocol (extra `teacher`); audio goes as `input_audio`, WAV."""

    kind: Literal["endpoint"]
    """Says which of the two this is."""
    endpoint: EndpointParams = EndpointParams(
        base_url="https://api.openai.com/v1",
        model="gpt-4o-audio-preview",
        api_key_env="OPENAI_API_KEY",
        temperature=0.0,
        top_p=None,
        max_tokens=4096,
        token_limit_key="max_completion_tokens",
    )
    """Address, model, key variable, budget. Replies are kept: no run pays for one twice."""


class TransformersBaseline(ModelBaseline):
    """An audio-language model of transformers that runs here; Qwen2.5-Omni answers through the policies' own engine."""

    kind: Literal["transformers"]
    """Says which of the two this is."""
    model: str
    """Folder or hub id, such as Qwen/Qwen2-Audio-7B-Instruct."""
    device: str | None = None
    """Where it runs: `cpu`, `cuda`, `cuda:1`; null for CUDA where there is one, else the CPU."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of its weights."""
    max_new_tokens: PositiveInt = 2048
    """Longest answer in tokens."""


class BaselinesParams(Params):
    """Who else answers the held-out problems."""

    majority: bool = True
    """The label that most train problems have."""
    shortcuts: bool = True
    """The best of the classifiers that see surface marks only (best on the held-out problems: an upper bound)."""
    cascade: CascadeParams | None = CascadeParams()
    """A recogniser and the final policy; null leaves it out."""
    models: tuple[Annotated[EndpointBaseline | TransformersBaseline, Field(discriminator="kind")], ...] = ()
    """Other models."""

    @model_validator(mode="after")
    def _distinct_names(self) -> "BaselinesParams":
        names = [model.name for model in self.models]
        ours = re.compile(r"sft|rl|majority|(shortcut|cascade): .*")
        taken = sorted({name for name in names if names.count(name) > 1 or ours.fullmatch(name)})
        if taken:
            raise ValueError(f"models: the name {taken[0]!r} is taken")
        return self

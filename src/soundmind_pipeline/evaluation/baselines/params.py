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


class AskedEndpointParams(EndpointParams):
    """An endpoint that answers problems: greedily, and OpenAI's unless another is named."""

    base_url: str = "https://api.openai.com/v1"
    """Address up to, not including, `/chat/completions`; a key does not belong in it."""
    model: str = Field(default="gpt-4o-audio-preview", min_length=1)
    """The model's name at the endpoint."""
    api_key_env: str | None = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key, never the key itself; null for a server without keys."""
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    """Sampling temperature, 0 for greedy answers as the policies give; null leaves it to the server."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Nucleus sampling; null leaves it to the server."""
    max_tokens: int = Field(default=4096, ge=1)
    """Longest reply in tokens, reasoning included; what the token budget reserves for a request."""
    token_limit_key: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens"
    """Under which name the server takes `max_tokens`."""


class EndpointBaseline(ModelBaseline):
    """A model behind an endpoint that speaks OpenAI's protocol (extra `teacher`); audio goes as `input_audio`, WAV."""

    kind: Literal["endpoint"]
    """Says which of the two this is."""
    endpoint: AskedEndpointParams = AskedEndpointParams()
    """Address, model, key variable, budget (which counts the tokens of all endpoint baselines together). Replies are
    kept: no run pays for one twice."""


class TransformersBaseline(ModelBaseline):
    """An audio-language model of transformers that runs here; Qwen2.5-Omni answers through the policies' own engine."""

    kind: Literal["transformers"]
    """Says which of the two this is."""
    model: str
    """Folder or hub id, such as Qwen/Qwen2-Audio-7B-Instruct; code from the hub is never run."""
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

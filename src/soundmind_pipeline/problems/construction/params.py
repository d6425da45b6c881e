"""Parameters of the construction: who words the prompts, who reasons, and which endpoint is asked."""

import re
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, field_validator, model_validator
from pydantic_core import PydanticCustomError

from soundmind_pipeline.params import Params
from soundmind_pipeline.problems.construction.prompts import WORDINGS, WordingName


class EndpointParams(Params):
    """A chat endpoint that speaks OpenAI's protocol: a vendor's, or a server of your own (vLLM, Ollama, …)."""

    base_url: str = "https://api.deepseek.com"
    """Address up to, not including, `/chat/completions`; a key does not belong in it."""

    model: str = Field(default="deepseek-reasoner", min_length=1)
    """The model's name at the endpoint (the paper: DeepSeek-R1)."""

    api_key_env: str | None = "DEEPSEEK_API_KEY"
    """Name of the environment variable that holds the key, never the key itself; null for a server without keys."""

    temperature: float | None = Field(default=0.6, ge=0, le=2)
    """Sampling temperature (DeepSeek-R1's model card: 0.5 to 0.7); null leaves it to the server."""

    top_p: float | None = Field(default=0.95, gt=0, le=1)
    """Nucleus sampling; null leaves it to the server."""

    seed: int | None = None
    """Seed of the server's sampling, where the server has one; each further attempt takes the next."""

    max_tokens: int = Field(default=8192, ge=1)
    """Longest reply in tokens, reasoning included; what the token budget reserves for a request."""

    token_limit_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Under which name the server takes `max_tokens`."""

    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    """Further keys of the request, e.g. `chat_template_kwargs`; no secrets: parameters are logged."""

    concurrency: int = Field(default=8, ge=1, le=512)
    """Requests under way at once."""

    timeout_seconds: float = Field(default=600.0, gt=0)
    """How long one request may take; reasoning models take minutes."""

    max_retries: int = Field(default=6, ge=0)
    """Retries of a request after 408, 409, 429, 5xx, a lost connection, a timeout or a reply that is no JSON; waits
    double from 0.5 s to 8 s, or last as long as `Retry-After` says (up to two minutes)."""

    give_up_after: int = Field(default=20, ge=1)
    """Rows in a row whose requests fail, all retries included, before the run stops instead of going on."""

    token_budget: int | None = Field(default=None, ge=1)
    """Most tokens to spend, prompts and replies together, over all runs that share the cache; null is no limit."""

    prompt_price: float | None = Field(default=None, ge=0)
    """Price of a million prompt tokens in your currency, for the progress bar; null shows no cost."""

    completion_price: float | None = Field(default=None, ge=0)
    """Price of a million reply tokens, for the progress bar."""

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address such as https://api.deepseek.com")
        if "@" in parts.netloc or parts.query or parts.fragment:
            # The input is not shown: what stands there is most likely a secret.
            raise PydanticCustomError("hidden_input", "must hold neither user, password, query nor fragment")
        return url.rstrip("/")

    @field_validator("api_key_env")
    @classmethod
    def _variable_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", name):
            raise PydanticCustomError(
                "hidden_input", "must be the name of an environment variable (capitals, digits, _), never a key"
            )
        return name

    @field_validator("extra_body")
    @classmethod
    def _free_keys(cls, body: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(body.keys() & {"model", "messages", "stream", "n", "max_tokens", "max_completion_tokens"})
        if taken:
            raise ValueError(f"may not hold {', '.join(taken)}")
        return body

    @property
    def host(self) -> str:
        """The endpoint as provenance records it: host and port, without the path."""
        return urlsplit(self.base_url).netloc


class ColloquializationParams(Params):
    """How a triplet of premises becomes a conversational prompt; rows that have their prompt are left alone."""

    kind: Literal["embedded", "endpoint"] = "embedded"
    """`embedded` sets the triplet as it stands into a wording; `endpoint` has a language model rewrite it first."""

    wordings: tuple[WordingName, ...] = ("published",)
    """The wordings to draw from, by seed and row: `published` (the annotation files') and `paper` (table 2's)."""

    seed: int = Field(default=0, ge=0)
    """Seed of the draw."""

    attempts: int = Field(default=3, ge=1)
    """Replies to ask for until one can be used; then the row is rejected with the reason."""

    endpoint: EndpointParams = EndpointParams(model="deepseek-chat", max_tokens=2048)
    """Whom `endpoint` asks."""

    @model_validator(mode="after")
    def _some_wording(self) -> Self:
        if not self.wordings or len(set(self.wordings)) < len(self.wordings):
            raise ValueError(f"wordings: give some of {', '.join(WORDINGS)}, each once")
        return self


class TeacherParams(Params):
    """Who writes the reference reasoning and answer; rows that have theirs are left alone."""

    kind: Literal["embedded", "endpoint", "none"] = "embedded"
    """`embedded` proves verified problems (error rates: verified.fallacies); `endpoint` asks a reasoning model; `none`
    states the bare label without reasoning: SFT leaves such rows out, evaluation and RL's other terms can use them."""

    attempts: int = Field(default=3, ge=1)
    """Replies to ask for until one ends in a verdict; then the row is rejected with the reason."""

    labels: Literal["source", "teacher"] = "source"
    """`source` keeps the source's label and flags a teacher who differs; `teacher` overwrites it, as the published data
    do (the source's stays in source_label). Verified problems keep their proved label."""

    endpoint: EndpointParams = EndpointParams()
    """Whom `endpoint` asks."""

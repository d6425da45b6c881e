"""Parameters of the tokenizer, the nano policy, its adapters and sampling."""

from typing import Self

from pydantic import Field, model_validator

from soundmind_pipeline.params import Params


class TokenizerParams(Params):
    """How the nano tokenizer is trained."""

    vocab_size: int = Field(default=640, ge=300)
    """Upper bound on the number of tokens: 256 bytes, the control tokens, and merges learnt from the train texts."""

    min_frequency: int = Field(default=2, ge=1)
    """How often a pair must occur in the train texts to be merged; 1 makes a token even of a word seen once."""


class NanoPolicyParams(Params):
    """Dimensions of the nano Thinker: the transformers classes of Qwen2.5-Omni-7B at laptop size."""

    audio_dim: int = Field(default=128, ge=8)
    """Width of the audio tower (even, and divisible by `audio_heads`)."""

    audio_layers: int = Field(default=2, ge=1)
    """Transformer layers of the audio tower."""

    audio_heads: int = Field(default=4, ge=1)
    """Attention heads of the audio tower."""

    audio_ffn_dim: int = Field(default=512, ge=1)
    """Width of the feed-forward blocks of the audio tower."""

    audio_window: int = Field(default=100, ge=2)
    """Half of the attention window of the audio tower, in mel frames of 10 ms: 100 gives windows of two seconds."""

    hidden_dim: int = Field(default=128, ge=8)
    """Width of the language model (divisible by `heads`, with an even quotient)."""

    layers: int = Field(default=4, ge=1)
    """Transformer layers of the language model."""

    heads: int = Field(default=4, ge=1)
    """Query heads of the language model."""

    kv_heads: int = Field(default=2, ge=1)
    """Key and value heads of the language model; `heads` is a multiple of it."""

    ffn_dim: int = Field(default=384, ge=1)
    """Width of the feed-forward blocks of the language model."""

    max_positions: int = Field(default=4096, ge=16)
    """Longest sequence that the configuration promises, in tokens (rotary positions set no hard limit)."""

    rope_theta: float = Field(default=10_000.0, gt=0)
    """Base of the rotary frequencies."""

    initializer_range: float = Field(default=0.08, gt=0)
    """Standard deviation of the initial weights; the 7B's 0.02 does not learn at width 128."""

    tie_embeddings: bool = True
    """Whether the output head shares the token embeddings."""

    @model_validator(mode="after")
    def _dimensions_fit(self) -> Self:
        if self.audio_dim % self.audio_heads or self.audio_dim % 2:
            raise ValueError("audio_dim must be even and a multiple of audio_heads")
        if self.hidden_dim % self.heads or (self.hidden_dim // self.heads) % 2:
            raise ValueError("hidden_dim must be an even multiple of heads")
        if self.heads % self.kv_heads:
            raise ValueError("heads must be a multiple of kv_heads")
        return self


class LoraParams(Params):
    """Low-rank adapters on the language model."""

    rank: int = Field(default=16, ge=1)
    """Rank of the update of each adapted matrix."""

    alpha: float = Field(default=32.0, gt=0)
    """The update is scaled by alpha / rank."""

    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Dropout in front of the adapters; above 0 the ratio of old and new policy is noisy in RL."""

    target: str = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
    """Regular expression over full module names; a bare `q_proj` would hit the audio tower too."""


class SamplingParams(Params):
    """How completions are drawn."""

    n: int = Field(default=1, ge=1)
    """Completions a prompt."""

    max_new_tokens: int = Field(default=64, ge=1)
    """Longest completion in tokens, the end-of-turn token included; longer ones are cut and flagged unfinished."""

    temperature: float = Field(default=1.0, ge=0.0)
    """Divides the logits; 0 takes the most likely token (greedy)."""

    top_k: int = Field(default=0, ge=0)
    """Draw among the k most likely tokens only; 0 keeps all."""

    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """Draw among the fewest most likely tokens whose probabilities add up to at least p; 1 keeps all."""


class VllmParams(Params):
    """What the vLLM rollout engine may use."""

    gpu_memory_utilization: float = Field(default=0.35, gt=0, lt=1)
    """Share of the GPU's memory for vLLM: weights (18 GB at 7B), activations and cache; must be free at the start."""

    max_model_len: int = Field(default=8192, ge=16)
    """Longest prompt with its completion, in tokens; 25 a second of audio. At most what the policy was built for."""

    sleep: bool = True
    """Hand the GPU's memory back to the trainer between rollouts; the weights wait in RAM."""

    enforce_eager: bool = False
    """Do without CUDA graphs: a quicker start and less memory, slower sampling."""

"""A stand-in for vLLM 0.32.0, true to it in what VllmEngine relies upon; the model behind it is transformers' own.

What is copied: the arguments and their checks, names of weights in checkpoints and adapters (an adapter under other
names is ignored in silence), expansion of `<|AUDIO|>` by the frames' number, one prefix cache an adapter *name*,
adapters read once a *number*, seeds s + k, bans by bias, processed log-probabilities, end by stop token or length.
"""

import json
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file
from transformers import Qwen2_5OmniConfig, Qwen2_5OmniThinkerForConditionalGeneration

from soundmind_pipeline.policy.batch import embed_prompts, prompt_batch
from soundmind_pipeline.policy.prompts import Prompt

# From the checkpoint's names to those of transformers' modules; vLLM's mapper has the same left side.
PREFIXES = {
    "thinker.model.": "model.language_model.",
    "thinker.audio_tower.": "model.audio_tower.",
    "thinker.lm_head.": "lm_head.",
}


@dataclass
class SamplingParams:
    n: int = 1
    temperature: float = 1.0
    seed: int | None = None
    max_tokens: int | None = 16
    ignore_eos: bool = False
    stop_token_ids: list[int] = field(default_factory=list)
    logit_bias: dict[int, float] | None = None
    logprobs: int | None = None
    detokenize: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 2:
            raise ValueError(f"temperature must be in [0, 2], got {self.temperature}.")
        if self.temperature < 1e-5 and self.n > 1:
            raise ValueError(f"n must be 1 when using greedy sampling, got {self.n}.")
        if self.logit_bias and len(self.logit_bias) > 1024:
            raise ValueError("Too many logit bias tokens")


@dataclass(frozen=True)
class LoRARequest:
    lora_name: str
    lora_int_id: int
    lora_path: str

    def __post_init__(self) -> None:
        assert self.lora_int_id >= 1 and self.lora_path


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    index: int
    token_ids: list[int]
    logprobs: list[dict[int, Logprob]]
    finish_reason: str
    stop_reason: int | None


@dataclass
class RequestOutput:
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput]


class LLM:
    """`vllm.LLM`; `started` holds all that were made, `calls` what each was told."""

    started: ClassVar[list["LLM"]] = []

    def __init__(
        self, model: str, *, dtype: str, gpu_memory_utilization: float, max_model_len: int,
        max_num_batched_tokens: int, enforce_eager: bool, enable_sleep_mode: bool, enable_prefix_caching: bool,
        enable_mm_embeds: bool, limit_mm_per_prompt: dict[str, int], logprobs_mode: str = "raw_logprobs",
        generation_config: str = "auto", enable_lora: bool = False, max_loras: int = 1, max_lora_rank: int = 16,
    ) -> None:  # fmt: skip
        self.arguments = {name: value for name, value in locals().items() if name != "self"}
        self.calls: list[Any] = []
        config = Qwen2_5OmniConfig.from_pretrained(model)
        assert config.architectures == ["Qwen2_5OmniModel"]
        self.config = config.thinker_config
        if max_model_len > self.config.text_config.max_position_embeddings:
            raise ValueError("User-specified max_model_len is greater than the derived max_model_len")
        if max_lora_rank not in (1, 8, 16, 32, 64, 128, 256, 320, 512):
            raise ValueError(f"max_lora_rank {max_lora_rank}")
        described = json.loads((Path(model) / "processor_config.json").read_text())
        assert described["processor_class"] == "Qwen2_5OmniProcessor"
        assert {"feature_extractor", "image_processor", "video_processor"} <= set(described)
        self.thinker = Qwen2_5OmniThinkerForConditionalGeneration(self.config).to(getattr(torch, dtype)).eval()
        self._load(load_file(Path(model) / "model.safetensors"))
        self.adapters: dict[int, tuple[dict[str, torch.Tensor], float]] = {}
        self.names: dict[str, int] = {}
        self.llm_engine = SimpleNamespace(engine_core=SimpleNamespace(shutdown=lambda: self.calls.append("shutdown")))
        self.asleep = False
        self.expands_wrongly = 0
        LLM.started.append(self)

    def _load(self, weights: dict[str, torch.Tensor]) -> None:
        own = {}
        for name, tensor in weights.items():
            prefix = next(prefix for prefix in PREFIXES if name.startswith(prefix))
            own[PREFIXES[prefix] + name.removeprefix(prefix)] = tensor
        missing, unexpected = self.thinker.load_state_dict(own, strict=False)
        assert not unexpected and all(name.startswith(("model.visual.", "lm_head.")) for name in missing)
        self.thinker.tie_weights()

    def sleep(self, level: int = 1) -> None:
        assert self.arguments["enable_sleep_mode"] and not self.asleep
        self.asleep = True
        self.calls.append(("sleep", level))

    def wake_up(self) -> None:
        assert self.asleep
        self.asleep = False
        self.calls.append("wake_up")

    @torch.no_grad()
    def generate(
        self, prompts: list[dict[str, Any]], sampling_params: list[SamplingParams], *, use_tqdm: bool,
        lora_request: LoRARequest | None,
    ) -> list[RequestOutput]:  # fmt: skip
        assert not self.asleep and len(prompts) == len(sampling_params)
        self.calls.append({"prompts": prompts, "sampling_params": sampling_params, "lora_request": lora_request})
        deltas = self._adapter(lora_request)
        for name, delta in deltas.items():
            self.thinker.get_parameter(name).add_(delta)
        outputs = [self._answer(*request) for request in zip(prompts, sampling_params, strict=True)]
        for name, delta in deltas.items():
            self.thinker.get_parameter(name).sub_(delta)
        return outputs

    def _adapter(self, request: LoRARequest | None) -> dict[str, torch.Tensor]:
        if request is None:
            return {}
        assert self.arguments["enable_lora"]
        assert self.names.setdefault(request.lora_name, request.lora_int_id) == request.lora_int_id, "stale prefixes"
        if request.lora_int_id not in self.adapters:
            folder = Path(request.lora_path)
            config = json.loads((folder / "adapter_config.json").read_text())
            assert isinstance(config["target_modules"], list) and config["r"] <= self.arguments["max_lora_rank"]
            scale = config["lora_alpha"] / config["r"]
            self.adapters[request.lora_int_id] = (load_file(folder / "adapter_model.safetensors"), scale)
        tensors, scale = self.adapters[request.lora_int_id]
        deltas = {}
        for name, down in tensors.items():
            module = name.removeprefix("base_model.model.")
            if "lora_A" in name and module.startswith("thinker.model."):  # others are ignored in silence
                own = "model.language_model." + module.removeprefix("thinker.model.").replace(".lora_A", "")
                deltas[own] = scale * tensors[name.replace("lora_A", "lora_B")] @ down
        return deltas

    def _answer(self, request: dict[str, Any], params: SamplingParams) -> RequestOutput:
        assert set(request) <= {"prompt_token_ids", "multi_modal_data"}
        tokens, log_mel = request["prompt_token_ids"], None
        if "multi_modal_data" in request:
            assert self.arguments["enable_mm_embeds"] and self.arguments["limit_mm_per_prompt"]["audio"] == 1
            tokens, log_mel = self._expanded(tokens, **request["multi_modal_data"]["audio"])
        assert params.max_tokens is not None and len(tokens) + params.max_tokens <= self.arguments["max_model_len"]
        prompt = Prompt(tuple(tokens), log_mel=log_mel)
        outputs = [self._sample(prompt, params, sample) for sample in range(params.n)]
        tokens = [*tokens, *[self.config.audio_token_id] * self.expands_wrongly]
        return RequestOutput(tokens, outputs[::-1])  # vLLM promises no order

    def _expanded(self, tokens, input_audio_features, audio_feature_lengths, feature_attention_mask):
        assert input_audio_features.shape == (128, int(audio_feature_lengths.sum()))
        assert feature_attention_mask.shape == (1, input_audio_features.shape[1]) and feature_attention_mask.all()
        audio_id = self.config.audio_token_id
        assert tokens.count(audio_id) == 1
        places = ((int(audio_feature_lengths) - 1) // 2 + 1 - 2) // 2 + 1
        at = tokens.index(audio_id)
        return [*tokens[:at], *[audio_id] * places, *tokens[at + 1 :]], input_audio_features.T.numpy()

    def _sample(self, prompt: Prompt, params: SamplingParams, sample: int) -> CompletionOutput:
        generator = torch.Generator().manual_seed(params.seed + sample)
        tokens: list[int] = []
        log_probs: list[dict[int, Logprob]] = []
        head = embed_prompts(self.thinker, prompt_batch(self.thinker, [prompt]), [prompt])
        reason, stop = "length", None
        while len(tokens) < params.max_tokens:
            tail = self.thinker.get_input_embeddings()(torch.tensor([tokens], dtype=torch.long))
            states = self.thinker.model.language_model(inputs_embeds=torch.cat([head, tail], 1)).last_hidden_state
            scores = self._processed(self.thinker.lm_head(states[0, -1]).float(), params)
            token = int(
                scores.argmax() if params.temperature == 0 else scores.exp().multinomial(1, generator=generator)
            )
            tokens.append(token)
            log_probs.append({token: Logprob(float(scores[token]))})
            if token in params.stop_token_ids or (not params.ignore_eos and token == self.config.eos_token_id):
                reason, stop = "stop", token
                break
        return CompletionOutput(sample, tokens, log_probs, reason, stop)

    def _processed(self, logits: torch.Tensor, params: SamplingParams) -> torch.Tensor:
        raw = logits.log_softmax(-1)
        for token, bias in (params.logit_bias or {}).items():
            logits[token] += bias
        processed = (logits / (params.temperature or 1.0)).log_softmax(-1)
        return processed if self.arguments["logprobs_mode"] == "processed_logprobs" else raw


def modules() -> dict[str, ModuleType]:
    """What `import vllm` finds."""
    made = {name: ModuleType(name) for name in ("vllm", "vllm.lora", "vllm.lora.request")}
    for name, module in made.items():
        module.__spec__ = ModuleSpec(name, None)
    made["vllm"].LLM, made["vllm"].SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    made["vllm.lora.request"].LoRARequest = LoRARequest  # type: ignore[attr-defined]
    return made

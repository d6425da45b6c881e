"""Rollouts by vLLM, on the GPU that the trainer uses too.

Written against vLLM 0.32 and 0.33. What was run and what was not: this engine was run against vLLM 0.32's CPU build
with a nano policy (spoken and written prompts, adapters reloaded between calls, bans, greedy and sampled): greedy
completions equal those of `SharedPrefixEngine`, log-probabilities differ from `completion_log_probs` by less than 1e-4
in float32. Never run here: anything on a GPU (sleep mode, CUDA graphs, sharing memory with the trainer), the 7B, several
ranks.

Each rank has a vLLM of its own, in a process of its own (vLLM starts it), on the rank's device.

**Log-probabilities.** vLLM is asked for `logprobs_mode="processed_logprobs"`: after the bans, at the sampling
temperature, in float32 from logits of the policy's own precision. That is the distribution `Rollouts` asks for, but
computed by other kernels than the trainer's; in bfloat16 both differ by some hundredths of a nat a token. The trainer
must therefore not take them for its own: with this engine it scores the samples once more before the update and uses
those log-probabilities as the old ones (`rl.rollout_engine` in `training/reinforce`), so that the ratio starts at 1;
vLLM's stay the measure of how far sampler and trainer agree (`rollout/log_prob_agreement`).
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.log_probs import BANNED_LOGIT
from soundmind_pipeline.policy.params import SamplingParams, VllmParams
from soundmind_pipeline.policy.processor import AudioTextProcessor, banned_token_ids
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.policy.rollout import vllm_folders
from soundmind_pipeline.policy.rollout.rollouts import Progress, Rollouts
from soundmind_pipeline.policy.thinker import device_of, thinker_of

# vLLM admits these only.
_LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
# Prompt tokens that vLLM reads at once, at least; a whole spoken question must fit.
_MIN_BATCHED_TOKENS = 8192


class VllmEngine:
    """The interface of `SharedPrefixEngine`, with vLLM behind it.

    vLLM is started at the first call of `generate`, with a copy of the policy's weights that is written to a temporary
    folder (18 GB at 7B in bfloat16; `TMPDIR` says where). From then on only the adapter is read anew, whenever it has
    changed: base weights that are trained would go unnoticed.

    Spoken prompts are handed over as log-mel frames, from which vLLM's own audio tower computes embeddings; a prompt's
    `audio_embeds` are not used. The keys and values of a prompt are shared by its samples through vLLM's prefix cache.

    Args:
        model: A Thinker or a `PeftModel` around one; its weights must be whole (not spread out by ZeRO-3) at each call.
        processor: Gives the end-of-turn token and the control tokens, which are never sampled.
        params: Share of memory and limits.
    """

    def __init__(self, model: nn.Module, processor: AudioTextProcessor, params: VllmParams | None = None) -> None:
        _require_vllm()
        self._model, self._processor = model, processor
        self._params = params or VllmParams()
        self._config = thinker_of(model).config
        self._eos: int = processor.tokenizer.eos_token_id
        self._banned = banned_token_ids(processor, self._config.text_config.vocab_size)
        self._folder = TemporaryDirectory(prefix="soundmind-vllm-", ignore_cleanup_errors=True)
        self._llm: Any = None
        self._asleep = False
        self._adapter: dict[str, Tensor] = {}
        self._version = 0

    @property
    def banned_ids(self) -> tuple[int, ...]:
        """Token ids that are never sampled; give them to `completion_log_probs` too."""
        return self._banned

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: SamplingParams,
        generator: torch.Generator | None = None,
        progress: Progress | None = None,
    ) -> Rollouts:
        """Sample `sampling.n` completions of each prompt with the policy as it is now.

        Each prompt's seed is drawn from `generator`. The same seeds give the same completions only as far as vLLM
        computes the same logits, which may depend on what is in a batch together.

        Args:
            prompts: Spoken and written prompts, mixed freely.
            sampling: Number, length and temperature of the completions; top-k and top-p must be off, for vLLM's
                log-probabilities would be those of the truncated distribution.
            generator: Source of the seeds; None uses torch's global one.
            progress: Called once, at the end: vLLM works on all prompts together.

        Returns:
            `len(prompts)·n` completions, those of the first prompt first.

        Raises:
            SoundmindError: Top-k or top-p are on; a spoken prompt has no log-mel; a prompt and its completion exceed
                `max_model_len`; vLLM read a prompt differently.
        """
        if sampling.top_k or sampling.top_p < 1.0:
            raise SoundmindError("The vllm engine samples from the whole distribution.", "Set top_k: 0 and top_p: 1.")
        if not prompts:
            return Rollouts([], [], [])
        requests = [self._request(prompt, sampling) for prompt in prompts]
        settings = self._settings(len(prompts), sampling, generator)
        llm = self._awake()
        try:
            outputs = llm.generate(requests, settings, use_tqdm=False, lora_request=self._lora_request())
        finally:
            self._rest()
        rollouts = self._read(prompts, outputs, sampling.n)
        if progress is not None:
            progress(len(rollouts.completions), len(rollouts.completions))
        return rollouts

    def _request(self, prompt: Prompt, sampling: SamplingParams) -> dict[str, Any]:
        """The prompt in vLLM's form: one `<|AUDIO|>`, which vLLM replaces by as many as the frames make."""
        if len(prompt) + sampling.max_new_tokens > self._max_model_len:
            raise SoundmindError(
                f"A prompt of {len(prompt)} tokens and {sampling.max_new_tokens} new ones exceed the "
                f"{self._max_model_len} tokens that vLLM was given.",
                "Raise rl.vllm.max_model_len or lower rl.sampling.max_new_tokens.",
            )
        audio_id: int = self._config.audio_token_id
        if audio_id not in prompt.token_ids:
            return {"prompt_token_ids": list(prompt.token_ids)}
        if prompt.log_mel is None:
            raise SoundmindError("A spoken prompt without log-mel frames cannot be handed to vLLM.")
        at, places = prompt.token_ids.index(audio_id), prompt.token_ids.count(audio_id)
        frames = torch.as_tensor(prompt.log_mel).T.contiguous()  # [bins, frames]
        audio = {
            "input_audio_features": frames,
            "audio_feature_lengths": torch.tensor([frames.shape[1]]),
            "feature_attention_mask": torch.ones(1, frames.shape[1], dtype=torch.long),
        }
        tokens = [*prompt.token_ids[:at], audio_id, *prompt.token_ids[at + places :]]
        return {"prompt_token_ids": tokens, "multi_modal_data": {"audio": audio}}

    def _settings(self, prompts: int, sampling: SamplingParams, generator: torch.Generator | None) -> list[Any]:
        """vLLM's sampling parameters of each prompt."""
        import vllm

        device = generator.device if generator is not None else torch.device("cpu")
        # vLLM gives sample k of a prompt the seed s + k.
        seeds = torch.randint(1 << 62, (prompts,), generator=generator, device=device).tolist()
        return [
            vllm.SamplingParams(
                n=sampling.n if sampling.temperature else 1,  # vLLM refuses several greedy samples
                temperature=sampling.temperature,
                seed=seed,
                max_tokens=sampling.max_new_tokens,
                # Only our end of turn ends a completion, whatever the tokenizer's files say.
                ignore_eos=True,
                stop_token_ids=[self._eos],
                # Not bad_words: these are texts, and ids behind the tokenizer's last token have none.
                logit_bias=dict.fromkeys(self._banned, BANNED_LOGIT),
                logprobs=0,  # of the sampled token alone
                detokenize=False,
            )
            for seed in seeds
        ]

    def _read(self, prompts: Sequence[Prompt], outputs: Sequence[Any], samples: int) -> Rollouts:
        completions: list[list[int]] = []
        log_probs: list[Tensor] = []
        finished: list[bool] = []
        for prompt, output in zip(prompts, outputs, strict=True):
            if tuple(output.prompt_token_ids) != prompt.token_ids:
                raise SoundmindError(
                    f"vLLM read {len(output.prompt_token_ids)} tokens where the prompt has {len(prompt)}: "
                    "it counts places of audio differently.",
                    "Use the vLLM version that docs/paper-index.md names, or rl.rollout_engine: shared_prefix.",
                )
            ordered = sorted(output.outputs, key=lambda each: each.index)
            for sample in ordered if len(ordered) == samples else ordered * samples:
                tokens = list(sample.token_ids)
                completions.append(tokens)
                values = [place[token].logprob for place, token in zip(sample.logprobs, tokens, strict=True)]
                log_probs.append(torch.tensor(values, dtype=torch.float32))
                finished.append(tokens[-1] == self._eos)
        return Rollouts(completions, log_probs, finished)

    @property
    def _max_model_len(self) -> int:
        return min(self._params.max_model_len, self._config.text_config.max_position_embeddings)

    def _awake(self) -> Any:
        if self._llm is None:
            self._llm = self._start()
        elif self._asleep:
            self._llm.wake_up()
            self._asleep = False
        return self._llm

    def _rest(self) -> None:
        """Give the GPU's memory to the trainer: weights move to RAM, keys and values are dropped."""
        if self._params.sleep:
            self._llm.sleep(level=1)
            self._asleep = True

    def _start(self) -> Any:
        import vllm

        base = Path(self._folder.name) / "base"
        base.mkdir()
        vllm_folders.export_base(self._model, self._processor, base)
        device = device_of(self._model)
        rank = vllm_folders.adapter_rank(self._model)
        adapters: dict[str, Any] = {}
        if rank:
            fitting = next((limit for limit in _LORA_RANKS if limit >= rank), rank)
            adapters = {"enable_lora": True, "max_loras": 1, "max_lora_rank": fitting}
        with _only_device(device):
            return vllm.LLM(
                model=str(base),
                dtype=str(next(thinker_of(self._model).parameters()).dtype).removeprefix("torch."),
                gpu_memory_utilization=self._params.gpu_memory_utilization,
                max_model_len=self._max_model_len,
                max_num_batched_tokens=max(self._max_model_len, _MIN_BATCHED_TOKENS),
                enforce_eager=self._params.enforce_eager,
                enable_sleep_mode=self._params.sleep,
                enable_prefix_caching=True,
                enable_mm_embeds=True,  # admits log-mel frames in place of waves
                limit_mm_per_prompt={"audio": 1, "image": 0, "video": 0},
                logprobs_mode="processed_logprobs",
                generation_config="vllm",  # no defaults out of the policy's folder
                **adapters,
            )

    def _lora_request(self) -> Any:
        """The adapter as it is now; None where none is in effect.

        Every version has a name and a number of its own: vLLM finds cached prefixes by the name, so that an adapter
        reloaded under an old one would answer prompts that the old weights have read (vLLM issue 42125).
        """
        if not vllm_folders.adapter_in_effect(self._model):
            return None
        from vllm.lora.request import LoRARequest

        weights = vllm_folders.adapter_weights(self._model)
        if weights.keys() != self._adapter.keys() or any(
            not torch.equal(tensor, self._adapter[name]) for name, tensor in weights.items()
        ):
            self._adapter = weights
            self._version += 1
            folder = self._adapter_folder
            folder.mkdir()
            vllm_folders.export_adapter(self._model, weights, folder)
        return LoRARequest(f"policy-{self._version}", self._version, str(self._adapter_folder))

    @property
    def _adapter_folder(self) -> Path:
        return Path(self._folder.name) / f"adapter-{self._version}"


@contextmanager
def _only_device(device: torch.device) -> Iterator[None]:
    """Let processes started inside the block see one GPU only: vLLM takes the first that it sees."""
    if device.type != "cuda":
        yield
        return
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    seen = before.split(",") if before else [str(index) for index in range(torch.cuda.device_count())]
    os.environ["CUDA_VISIBLE_DEVICES"] = seen[device.index or 0]
    try:
        yield
    finally:
        if before is None:
            del os.environ["CUDA_VISIBLE_DEVICES"]
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


def _require_vllm() -> None:
    try:
        import vllm  # noqa: F401
    except ImportError as error:
        raise SoundmindError(
            "The rollout engine vllm needs vLLM, which is not installed.",
            "Run: pip install 'soundmind-pipeline[vllm]' (on Linux with a CUDA GPU), or set "
            "rl.rollout_engine: shared_prefix.",
        ) from error

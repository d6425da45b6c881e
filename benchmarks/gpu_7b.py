"""RL rounds of the 7B policy on one GPU: memory and time against what `soundmind plan` says.

    python benchmarks/gpu_7b.py                       # needs one GPU of 80 GB
    OMP_NUM_THREADS=1 python benchmarks/gpu_7b.py --size nano --device cpu

**No run on a GPU has been made.** What is known is that the script runs at nano size on a CPU; its figures there say
nothing about a GPU, and memory is compared on GPUs only (tests/training/planner compares it on CPUs).

No download: a Thinker of the true dimensions (shipped with the planner) gets random weights. A round is the trainer's
own, on noise: the audio tower over questions of 60 s, n = 8 samples each by the shared-prefix engine, log-probabilities
under the reference (adapters off), and one clipped update of LoRA adapters in bfloat16 on the DeepSpeed engine, layers
recomputed. Rewards are random numbers; the end of turn has the last token id and is hardly ever drawn, so completions
are as long as they may be. After one round that is not counted, the medians of the others are reported:

- memory: PyTorch's peak in each part of the round beside the planner's figure; `ratio` is measured by planned peak;
- rollout: tokens a second beside the limit that reading weights and caches sets, at the bandwidth that copying a large
  tensor reaches on the same device; `of_limit` is their ratio;
- time: audio, rollout, reference, update, beside the planner's (which assumes 40 % of peak compute, 50 % of bandwidth);
- the attention implementation.

The last line is one JSON object.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers import Qwen2_5OmniThinkerForConditionalGeneration

from soundmind_pipeline import environment
from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.nano import build_processor, build_thinker
from soundmind_pipeline.policy.params import LoraParams, NanoPolicyParams, SamplingParams, TokenizerParams
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.policy.recompute import recompute_layers
from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine
from soundmind_pipeline.speech.log_mel import FRAMES_PER_SECOND, audio_token_count
from soundmind_pipeline.training.engine import PolicyEngine, policy_engine
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.parts import adapter_group
from soundmind_pipeline.training.planner.activations import MicroBatch
from soundmind_pipeline.training.planner.model import policy_size, thinker_config
from soundmind_pipeline.training.planner.plan import RlPlan, Workload, held_at_most, plan_rl
from soundmind_pipeline.training.planner.roofline import GPUS, decode_bytes
from soundmind_pipeline.training.ranks import process_group
from soundmind_pipeline.training.reinforce.experience import Reference, weigh
from soundmind_pipeline.training.reinforce.prompts import Question, with_audio
from soundmind_pipeline.training.reinforce.rollouts import Samples
from soundmind_pipeline.training.reinforce.update import PolicyModule, update_policy

DEEPSPEED = Path(__file__).parents[1] / "conf" / "base" / "deepspeed"
HUB_ID = "Qwen/Qwen2.5-Omni-7B"
TEXT_TOKENS = 40
PARTS = ("audio", "rollout", "reference", "update")


@dataclass
class Watch:
    """Seconds and peak memory of the parts of a round."""

    device: torch.device
    seconds: dict[str, list[float]] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    """Bytes that PyTorch had allocated at the worst moment of each part; empty on CPUs."""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """One part; waits for the device before and after."""
        self._wait()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        yield
        self._wait()
        self.seconds.setdefault(name, []).append(time.perf_counter() - started)
        if self.device.type == "cuda":
            self.peaks[name] = max(self.peaks.get(name, 0), torch.cuda.max_memory_allocated())

    def median(self, name: str) -> float:
        """Of all but the first time."""
        return statistics.median(self.seconds[name][1:])

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


class Tokens:
    """What the rollout engine wants to know of a tokenizer; the 7B's own would need a download."""

    def __init__(self, config: Any) -> None:
        self._size = config.text_config.vocab_size
        self.eos_token_id = self._size - 1
        self.all_special_ids = [config.audio_token_id]
        self.added_tokens_decoder: dict[int, Any] = {}

    def __len__(self) -> int:
        return self._size


def make_model(size: str, device: torch.device) -> Any:
    """A Thinker with random weights: float32 at nano size, bfloat16 at 7B."""
    if size == "nano":
        processor = build_processor(["does it follow?"], TokenizerParams())
        return build_thinker(NanoPolicyParams(), processor, seed=0).to(device)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with device:
            return Qwen2_5OmniThinkerForConditionalGeneration(thinker_config(HUB_ID))
    finally:
        torch.set_default_dtype(before)


def make_params(arguments: argparse.Namespace) -> RlParams:
    """The job: that of conf/soundmind_7b_1gpu, but for what the arguments change."""
    return RlParams(
        precision="float32" if arguments.size == "nano" else "bfloat16",
        sampling=SamplingParams(n=arguments.samples, max_new_tokens=arguments.new_tokens),
        prompts_per_step=arguments.prompts,
        minibatches=1,
        audio_share=1.0,
        lora=LoraParams(rank=64, alpha=64.0),
        rollout_cache_gb=16.0,
        gradient_checkpointing=True,
        micro_batch_tokens=arguments.micro_batch_tokens,
        deepspeed=arguments.deepspeed,
        threads=torch.get_num_threads(),
    )


def make_questions(config: Any, arguments: argparse.Namespace) -> list[Question]:
    """Questions of noise: audio in front of some text tokens."""
    frames = round(arguments.audio_seconds * FRAMES_PER_SECOND)
    places = [config.audio_token_id] * audio_token_count(frames)
    random = np.random.default_rng(0)
    return [
        Question(
            Prompt((*places, *range(5, 5 + TEXT_TOKENS)), random.standard_normal((frames, 128)).astype(np.float32)),
            "audio",
            1,
            "",
        )
        for _ in range(arguments.prompts)
    ]


def run_round(
    step: int,
    engine: PolicyEngine,
    sampler: SharedPrefixEngine,
    questions: list[Question],
    params: RlParams,
    watch: Watch,
) -> int:
    """One round as the trainer's `Rounds` makes it; tokens sampled."""
    model, device = engine.module.model, engine.ranks.device
    with watch.part("audio"):
        heard = with_audio(model, questions)
    with watch.part("rollout"):
        generator = torch.Generator().manual_seed(step)
        rollouts = sampler.generate([question.prompt for question in heard], params.sampling, generator)
    rewards = np.random.default_rng(step).random(len(rollouts.completions))
    scores: Any = [SimpleNamespace(total=float(reward)) for reward in rewards]
    unspoken: list[Any] = [None] * len(scores)
    samples = Samples(
        heard, params.sampling.n, rollouts.completions, rollouts.log_probs, rollouts.finished, scores, unspoken
    )
    with watch.part("reference"):
        reference = Reference(model).log_probs(samples, params, sampler.banned_ids, device)
    with watch.part("update"):
        update_policy(engine, weigh(samples, reference, params, device), params, step, 1e-6)
    return rollouts.tokens


def copy_bandwidth(device: torch.device) -> float:
    """Bytes a second, read and written, in copying a large tensor: the median of ten."""
    source = torch.zeros(1 << (30 if device.type == "cuda" else 26), dtype=torch.uint8, device=device)
    target, watch = torch.empty_like(source), Watch(device)
    for _ in range(11):
        with watch.part("copy"):
            target.copy_(source)
    return 2 * source.numel() / watch.median("copy")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the rounds; every figure."""
    params = make_params(arguments)
    deepspeed = json.loads((DEEPSPEED / f"{params.deepspeed}.json").read_text())
    with process_group(params.threads) as ranks:
        watch = Watch(ranks.device)
        with watch.part("build"):
            model = make_model(arguments.size, ranks.device)
            config = model.config
            model = add_lora(model, params.lora)
            processor: Any = SimpleNamespace(tokenizer=Tokens(config))
            sampler = SharedPrefixEngine(model, processor, max_cache_bytes=int(params.rollout_cache_gb * 1e9))
            module = PolicyModule(model, params, sampler.banned_ids)
        groups, questions = adapter_group(model, 0.0), make_questions(config, arguments)
        with policy_engine(module, groups, ranks, params.optimizer, params, deepspeed) as engine:
            recompute_layers(model)
            tokens = [
                run_round(step, engine, sampler, questions, params, watch) for step in range(arguments.rounds + 1)
            ]
        bandwidth = copy_bandwidth(ranks.device)
        gpu = GPUS[arguments.gpu] if ranks.device.type == "cuda" else None
        workload = Workload(arguments.audio_seconds, TEXT_TOKENS, arguments.new_tokens)
        plan = plan_rl(config, params, deepspeed, workload, 1, gpu)
        name = torch.cuda.get_device_name() if gpu else "CPU"
        return {
            "device": name,
            "attention": config._attn_implementation,
            "parameters": policy_size(model).base,
            "prompt_tokens": len(questions[0].prompt),
            **_rollout(config, plan, params, workload, tokens[-1], watch, bandwidth),
            "seconds": {part: watch.median(part) for part in PARTS},
            "planned_seconds": {part: getattr(plan.times, part) for part in PARTS} if plan.times else None,
            "memory_gb": _memory(plan, watch),
        }


def _rollout(
    config: Any, plan: RlPlan, params: RlParams, workload: Workload, tokens: int, watch: Watch, bandwidth: float
) -> dict[str, float]:
    """Tokens a second, and the most that the bandwidth allows for all rows at one time."""
    work = MicroBatch(params.prompts_per_step, workload.prompt_tokens, params.sampling.n, workload.new_tokens, True)
    matrices = plan.size.text + plan.size.lora + config.text_config.vocab_size * config.text_config.hidden_size
    itemsize = getattr(torch, params.precision).itemsize
    limit = work.rows * bandwidth / decode_bytes(config, work, matrices, itemsize)
    reached = tokens / watch.median("rollout")
    return {
        "bandwidth_gb_s": bandwidth / 1e9,
        "tokens_per_second": reached,
        "tokens_per_second_limit": limit,
        "of_limit": reached / limit,
    }


def _memory(plan: RlPlan, watch: Watch) -> dict[str, Any]:
    """Peaks of the parts beside the planner's; measured ones on GPUs only."""
    planned = {name: held_at_most(plan.state, getattr(plan, name)) / 1e9 for name in ("rollout", "update", "step")}
    found: dict[str, Any] = {f"planned_{name}": size for name, size in planned.items()}
    if watch.peaks:
        found |= {name: watch.peaks[name] / 1e9 for name in PARTS}
        found["ratio"] = max(found[name] for name in PARTS) / max(planned.values())
    return found


def print_table(result: dict[str, Any]) -> None:
    print(f"{result['device']}, attention {result['attention']}, {result['parameters'] / 1e9:.2f}·10⁹ weights")
    print(
        f"rollout: {result['tokens_per_second']:.0f} tokens/s, {100 * result['of_limit']:.0f} % of the "
        f"{result['tokens_per_second_limit']:.0f} that {result['bandwidth_gb_s']:.0f} GB/s allow"
    )
    planned = result["planned_seconds"] or {}
    for part in PARTS:
        beside = f", planned {planned[part]:.2f} s" if planned else ""
        print(f"{part}: {result['seconds'][part]:.2f} s{beside}")
    print("memory in GB:", ", ".join(f"{name} {value:.2f}" for name, value in result["memory_gb"].items()))


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["7b", "nano"], default="7b")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--gpu", choices=list(GPUS), default="h100", help="whose data sheet the planner takes")
    parser.add_argument("--prompts", type=int, default=8, help="questions a round")
    parser.add_argument("--samples", type=int, default=8, help="completions a question")
    parser.add_argument("--new-tokens", type=int, default=512, help="tokens of a completion")
    parser.add_argument("--audio-seconds", type=float, default=60.0, help="seconds of a question")
    parser.add_argument("--micro-batch-tokens", type=int, default=12_288)
    parser.add_argument("--deepspeed", default="zero2_offload", help="a file of conf/base/deepspeed")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds, after one that is not counted")
    return parser.parse_args(words)


def main() -> None:
    arguments = parse()
    environment.prepare()
    if arguments.device == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    elif not torch.cuda.is_available():
        print("There is no GPU: nothing is measured. --size nano --device cpu shows that the script runs, and no more.")
        print(json.dumps({"benchmark": "gpu_7b", "skipped": "no GPU"}))
        return
    result = measure(arguments)
    print_table(result)
    print(json.dumps({"benchmark": "gpu_7b", "peer": "soundmind plan", **vars(arguments), **result}))


if __name__ == "__main__":
    main()

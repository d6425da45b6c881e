"""What it costs to speak the rollouts: a round of RL with the audio rewards against one without.

    python benchmarks/spoken_rewards.py --pairs 8

Needs the features and the SFT policy of a finished `kedro run --pipeline=sft` (`--data` names its folder), and the
extra `piper` for `--engine piper`. Rounds are those of `conf/base/parameters_rl.yml`, from the same adapters: pair k
asks the questions of round k, once with `spoken.enabled` and once without, in turns first; the learning rate is next to
nothing, so that both sides sample the same responses. The speech of a round is never known from an earlier one, as in
the first epoch of a training; references are. Pairs that are not counted come first.

Wall seconds are those of the whole round; CPU seconds are this process's and, where it speaks, the speaking workers'.
Medians over the pairs; the ratio is with speech over without. The last line is one JSON object.
"""

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import yaml

from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.folder import ModelFolder, load_policy
from soundmind_pipeline.policy.processor import banned_token_ids
from soundmind_pipeline.policy.prompts import PromptEncoder
from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine
from soundmind_pipeline.policy.thinker import thinker_of
from soundmind_pipeline.rewards.scorer import Scorer
from soundmind_pipeline.speech.shards import LogMelStore
from soundmind_pipeline.training.engine import policy_engine
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.parts import adapter_group
from soundmind_pipeline.training.ranks import process_group
from soundmind_pipeline.training.reinforce.experience import Reference
from soundmind_pipeline.training.reinforce.prompts import QuestionSource
from soundmind_pipeline.training.reinforce.rollouts import RolloutWorker
from soundmind_pipeline.training.reinforce.rounds import Rounds
from soundmind_pipeline.training.reinforce.spoken import RolloutSpeaker, rollout_speaker
from soundmind_pipeline.training.reinforce.update import PolicyModule

CONF = Path(__file__).parents[1] / "conf" / "base"
SIDES = ("without", "with")
TOLD = ("rollout/speech_seconds", "rollout/speech_cache_hit_share", "rollout/not_well_spoken",
        "time/speech_wait_seconds", "time/speech_worker_seconds", "reward/format_audio", "reward/length_audio",
        "rollout/seconds", "train/reference_seconds")  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """One round of one side."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, workers included."""
    metrics: dict[str, float]
    """What the round reports."""


def make_params(args: argparse.Namespace, spoken: bool) -> RlParams:
    """The default job, at a learning rate that leaves the policy where it is."""
    block = yaml.safe_load((CONF / "parameters_rl.yml").read_text())["rl"]
    block["schedule"] = {"lr": 1e-12, "warmup_steps": 0, "decay": "constant"}
    block["steps"], block["threads"] = args.pairs + args.warm_up, args.threads
    block["spoken"] = {"enabled": spoken, "speech": {"engine": args.engine, "workers": args.workers}}
    return RlParams.model_validate(block)


def cpu_seconds() -> float:
    """Of this process and of the speaking ones, dead or alive, but for the voices' forked children still at work."""
    own = time.process_time()
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        own += times.user + times.system + times.children_user + times.children_system
    return own


@contextmanager
def make_sides(args: argparse.Namespace) -> Iterator[dict[str, Callable[[int], dict[str, float]]]]:
    """Both sides over one policy and one optimizer."""
    silent, aloud = (make_params(args, spoken) for spoken in (False, True))
    index = pd.read_parquet(args.data / "04_feature" / "feature_index.parquet")
    policy = load_policy(ModelFolder(args.data / "06_models" / "sft"), silent.precision)
    model, processor = add_lora(policy.model, silent.lora, silent.seed), policy.processor
    banned = banned_token_ids(processor, thinker_of(model).config.text_config.vocab_size)
    tokenizer = processor.tokenizer
    scorer = Scorer(silent.reward, lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"]))
    config = json.loads((CONF / "deepspeed" / f"{silent.deepspeed}.json").read_text())
    groups = adapter_group(model, silent.optimizer.weight_decay)
    with process_group(args.threads) as ranks:
        log_mels = LogMelStore(args.data / "04_feature" / "log_mel")
        source = QuestionSource(index, log_mels, PromptEncoder(processor, silent.instruction), silent, ranks)
        module = PolicyModule(model, silent, banned)
        with (
            policy_engine(module, groups, ranks, silent.optimizer, silent, config) as engine,
            rollout_speaker(aloud) as speaker,
        ):
            sampler = SharedPrefixEngine(model, processor, max_cache_bytes=int(silent.rollout_cache_gb * 1e9))

            def rounds(params: RlParams, speaker: RolloutSpeaker | None) -> Callable[[int], dict[str, float]]:
                worker = RolloutWorker(sampler, processor, scorer, speaker)
                return Rounds(engine, source, worker, Reference(model), params, ranks, speaker).run

            yield {"without": rounds(silent, None), "with": rounds(aloud, speaker)}


def timed(run: Callable[[int], dict[str, float]], step: int) -> Turn:
    """One round by the clock."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    metrics = run(step)
    return Turn(time.perf_counter() - wall, cpu_seconds() - cpu, metrics)


def summary(pairs: list[dict[str, Turn]], args: argparse.Namespace) -> dict[str, Any]:
    """Medians over the pairs."""

    def median(value: Callable[[dict[str, Turn]], float], digits: int = 3) -> float:
        return round(statistics.median(value(pair) for pair in pairs), digits)

    return {
        "benchmark": "spoken_rewards",
        "engine": args.engine,
        "pairs": len(pairs),
        "threads": args.threads,
        "workers": args.workers,
        "wall_ratio": median(lambda pair: pair["with"].wall / pair["without"].wall),
        "cpu_ratio": median(lambda pair: pair["with"].cpu / pair["without"].cpu),
        "wall_seconds": {side: median(lambda pair, side=side: pair[side].wall) for side in SIDES},
        "cpu_seconds": {side: median(lambda pair, side=side: pair[side].cpu) for side in SIDES},
        "with": {name: median(lambda pair, name=name: pair["with"].metrics[name]) for name in TOLD},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="the project's data folder")
    parser.add_argument("--pairs", type=int, default=8, help="pairs of rounds that count")
    parser.add_argument("--warm-up", type=int, default=2, help="pairs before them that do not")
    parser.add_argument("--engine", default="espeak", choices=("espeak", "piper", "kokoro"))
    parser.add_argument("--threads", type=int, default=2, help="threads of the policy")
    parser.add_argument("--workers", type=int, default=2, help="speaking processes")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    pairs = []
    with make_sides(args) as sides:
        for step in range(1, args.warm_up + args.pairs + 1):
            order = SIDES if step % 2 else SIDES[::-1]
            turns = {side: timed(sides[side], step) for side in order}
            if step > args.warm_up:
                pairs.append(turns)
                print(f"pair {len(pairs)}: " + ", ".join(f"{side} {turns[side].wall:.2f} s" for side in SIDES))
    print(json.dumps(summary(pairs, args)))


if __name__ == "__main__":
    main()

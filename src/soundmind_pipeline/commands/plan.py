"""``soundmind plan``: does a training job fit the GPU, and how long does it take?"""

import dataclasses
import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from soundmind_pipeline.commands.project import find_project, load_configuration
from soundmind_pipeline.errors import SoundmindError

QUESTION_SECONDS = 62.33
ANSWER_TOKENS = 1683


@click.command()
@click.option("--env", default="base", show_default=True, help="Environment of conf/ whose rl parameters are planned.")
@click.option("--world-size", type=click.IntRange(1), help="GPUs. [default: rl.launcher.processes]")
@click.option("--gpu", "gpu_name", default="h100", show_default=True, help="a100, h100, h800 or h200.")
@click.option("--gpu-memory", type=float, help="Memory of one GPU in GB. [default: the GPU's]")
@click.option("--config", type=click.Path(), help="The model's config.json. [default: what sft.base names]")
@click.option("--audio-seconds", type=float, help="Seconds of a spoken question. [default: 62.33, the paper's; nano 3]")
@click.option("--answer-tokens", type=int, help="Tokens of a usual answer. [default: 1683, the paper's; nano 60]")
@click.option("--price", type=float, default=2.5, show_default=True, help="Price of a GPU hour.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def plan(
    env: str,
    world_size: int | None,
    gpu_name: str,
    gpu_memory: float | None,
    config: str | None,
    audio_seconds: float | None,
    answer_tokens: int | None,
    price: float,
    as_json: bool,
) -> None:
    """Plan the RL job of an environment: memory by part, whether it fits, time and cost; no GPU or weights needed."""
    from soundmind_pipeline.training.planner.plan import PAPER_STEPS, Workload, plan_rl
    from soundmind_pipeline.training.planner.roofline import GPUS

    if gpu_name not in GPUS:
        raise SoundmindError(f"--gpu {gpu_name}: unknown; choose one of {', '.join(GPUS)}.")
    sft, rl, deepspeed, vocab_size = _settings(env)
    is_nano = config is None and sft.base is None
    thinker = _nano_config(sft, vocab_size) if is_nano else _published_config(config or str(sft.base))
    seconds = audio_seconds or (3.0 if is_nano else QUESTION_SECONDS)
    usual = answer_tokens or (60 if is_nano else ANSWER_TOKENS)
    ranks = world_size or rl.launcher.processes
    gpu = GPUS[gpu_name]
    longest = plan_rl(thinker, rl, deepspeed, Workload(seconds, 40, rl.sampling.max_new_tokens), ranks, gpu)
    usual_work = Workload(seconds, 40, min(usual, rl.sampling.max_new_tokens))
    times = plan_rl(thinker, rl, deepspeed, usual_work, ranks, gpu).times
    assert times is not None
    limit = (gpu_memory or gpu.memory_gb) * 1e9
    document = {
        "environment": env,
        "world_size": ranks,
        "gpu": gpu.name,
        "parameters": {**dataclasses.asdict(longest.size), "trained": longest.trained},
        "memory_gb": {
            "state": _gigabytes(longest.state),
            "rollout": _gigabytes(longest.rollout),
            "update": _gigabytes(longest.update),
            "step": _gigabytes(longest.step),
            "overhead": longest.overhead / 1e9,
            "peak": longest.peak / 1e9,
            "peak_by_zero_stage": {stage: peak / 1e9 for stage, peak in longest.peak_by_stage.items()},
            "limit": limit / 1e9,
            "host": sum(part.host for part in longest.state) / 1e9,
        },
        "fits": longest.peak <= limit,
        "seconds_per_step": {**dataclasses.asdict(times), "total": times.total},
        "jobs": [
            (count, count * times.total / 3600, count * times.total / 3600 * ranks * price)
            for count in sorted({rl.steps, PAPER_STEPS})
        ],
    }
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        _print(document, longest)


def _settings(env: str) -> tuple[Any, Any, dict[str, Any], int]:
    """SFT and RL parameters of an environment, its DeepSpeed file, and the size of the nano vocabulary."""
    from kedro.config import MissingConfigException

    from soundmind_pipeline.datasets.deepspeed_files import DeepspeedFilesDataset
    from soundmind_pipeline.pipelines.features.params import FeaturesParams
    from soundmind_pipeline.pipelines.parameters import validate_parameters
    from soundmind_pipeline.training.deepspeed_config import choose_config
    from soundmind_pipeline.training.params import RlParams, SftParams

    project = find_project()
    loader = load_configuration(project, env)
    try:
        parameters = validate_parameters(loader["parameters"])
    except MissingConfigException as error:
        raise SoundmindError(f"conf/{env} holds no parameters: {error}") from error
    sft, rl = SftParams.model_validate(parameters["sft"]), RlParams.model_validate(parameters["rl"])
    files = DeepspeedFilesDataset(filepath=str(project / loader["catalog"]["deepspeed_files"]["filepath"])).load()
    features = FeaturesParams.model_validate(parameters.get("features", {}))
    return sft, rl, dict(choose_config(files, rl)), features.tokenizer.vocab_size


def _nano_config(sft: Any, vocab_size: int) -> Any:
    from transformers import Qwen2_5OmniThinkerConfig

    from soundmind_pipeline.policy.nano import nano_dimensions

    tied = sft.model.tie_embeddings
    return Qwen2_5OmniThinkerConfig(**nano_dimensions(sft.model, vocab_size), tie_word_embeddings=tied)


def _published_config(source: str) -> Any:
    from soundmind_pipeline.training.planner.model import thinker_config

    return thinker_config(source)


def _gigabytes(parts: list[Any]) -> dict[str, float]:
    return {part.name: part.bytes / 1e9 for part in parts}


def _print(document: dict[str, Any], found: Any) -> None:
    console = Console()
    sizes = found.size
    parameters = Table("part", "parameters", title="Policy")
    for name in ("audio_tower", "vision_tower", "embeddings", "text", "lora"):
        parameters.add_row(name.replace("_", " "), f"{getattr(sizes, name):,}")
    parameters.add_row("trained", f"{found.trained:,}")
    console.print(parameters)
    memory = Table("when", "part", "GB", "", title=f"Memory of one of {document['world_size']} GPUs")
    for when, parts in (
        ("always", found.state),
        ("rollout", found.rollout),
        ("update", found.update),
        ("step", found.step),
    ):
        for part in parts:
            memory.add_row(when, part.name, f"{part.bytes / 1e9:.3g}", part.note)
    memory.add_row("always", "CUDA, fragmentation", f"{found.overhead / 1e9:.3g}", "assumed: 1.5 GB and 5 %")
    memory.add_row("peak", "", f"{found.peak / 1e9:.1f}", "always, and the largest of the others")
    console.print(memory)
    if host := sum(part.host for part in found.state):
        console.print(f"In the machine's memory: {host / 1e9:.1f} GB a rank")
    verdict = "fits" if document["fits"] else "DOES NOT FIT"
    console.print(f"{verdict}: {found.peak / 1e9:.1f} of {document['memory_gb']['limit']:g} GB on {document['gpu']}")
    stages = ", ".join(f"{stage}: {peak / 1e9:.1f}" for stage, peak in found.peak_by_stage.items())
    console.print(f"Peak in GB by ZeRO stage, all else the same: {stages}")
    times = document["seconds_per_step"]
    console.print(
        f"A step: {times['total']:.3g} s (audio {times['audio']:.2g}, rollout {times['rollout']:.3g}, reference "
        f"{times['reference']:.3g}, update {times['update']:.3g}), at 40 % of peak compute and 50 % of peak bandwidth"
    )
    for steps, hours, cost in document["jobs"]:
        console.print(f"{steps:,} steps: {hours:,.1f} hours, cost {cost:,.0f}")

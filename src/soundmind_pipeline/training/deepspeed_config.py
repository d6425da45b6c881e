"""From a DeepSpeed JSON file to the configuration of one engine: "auto" values are filled in and told."""

import functools
import logging
from collections.abc import Mapping
from typing import Any

from torch import nn

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.training.params import OptimizerParams, TrainingParams

logger = logging.getLogger(__name__)

# What the trainers decide themselves; a file that sets it would be silently overruled.
_OURS = ("optimizer", "scheduler", "gradient_accumulation_steps", "train_batch_size", "managed_gradient_accumulation")


def choose_config(files: Mapping[str, Mapping[str, Any]], params: TrainingParams) -> Mapping[str, Any]:
    """The DeepSpeed file that the parameters name.

    Args:
        files: Name without .json → parsed content.
        params: Gives the name.

    Raises:
        SoundmindError: There is no file of that name.
    """
    if params.deepspeed not in files:
        raise SoundmindError(
            f"deepspeed: there is no file {params.deepspeed}.json in conf/<environment>/deepspeed.",
            f"Choose one of {', '.join(sorted(files))}, or add the file.",
        )
    return files[params.deepspeed]


def resolve_config(
    config: Mapping[str, Any], model: nn.Module, optimizer: OptimizerParams, params: TrainingParams
) -> dict[str, Any]:
    """A complete DeepSpeed configuration.

    Args:
        config: What the JSON file holds; values may be "auto".
        model: The model to be trained; its width gives the bucket sizes.
        optimizer: Gives `gradient_clipping`.
        params: Gives `bf16.enabled` by its precision.

    Returns:
        A copy of `config` without "auto", with the keys that the engine relies on.

    Raises:
        SoundmindError: The file sets what the parameters decide, or an "auto" value that nothing here resolves.
    """
    for key in _OURS:
        if key in config:
            raise SoundmindError(
                f"The DeepSpeed file '{params.deepspeed}' sets '{key}', which the training parameters decide.",
                f"Remove '{key}' from conf/<environment>/deepspeed/{params.deepspeed}.json.",
            )
    width = _width(model)
    automatic = {
        "gradient_clipping": optimizer.max_grad_norm,
        "train_micro_batch_size_per_gpu": 1,
        "bf16.enabled": params.precision == "bfloat16",
        "zero_optimization.reduce_bucket_size": max(width * width, 1_000_000),
        "zero_optimization.stage3_prefetch_bucket_size": max(width * width * 9 // 10, 1_000_000),
        "zero_optimization.stage3_param_persistence_threshold": 10 * width,
    }
    filled: dict[str, Any] = {}
    resolved = _fill(config, automatic, "", filled, params.deepspeed)
    if filled:
        _tell(params.deepspeed, ", ".join(f"{key}={value}" for key, value in sorted(filled.items())))
    return resolved | {
        # One optimisation step holds as many micro-batches as its tokens need: the trainers say when it ends.
        "managed_gradient_accumulation": False,
        "gradient_accumulation_steps": 1,
        "train_micro_batch_size_per_gpu": 1,
        # torch's AdamW: DeepSpeed's own would be compiled for minutes on first use.
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 1_000_000_000,
    }


@functools.cache
def _tell(name: str, values: str) -> None:
    """Log resolved values once a process: every phase of a curriculum resolves them again."""
    logger.info("DeepSpeed '%s', auto values: %s.", name, values)


def _fill(
    node: Mapping[str, Any], automatic: Mapping[str, Any], prefix: str, filled: dict[str, Any], name: str
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in node.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            result[key] = _fill(value, automatic, f"{path}.", filled, name)
        elif value != "auto":
            result[key] = value
        elif path in automatic:
            result[key] = filled[path] = automatic[path]
        else:
            known = ", ".join(sorted(automatic))
            raise SoundmindError(
                f"The DeepSpeed file '{name}' sets {path} to \"auto\", which is resolved for {known} only.",
                f"Give {path} a value.",
            )
    return result


def _width(model: nn.Module) -> int:
    """Width of the widest matrix row, a stand-in for the hidden size that needs no knowledge of the architecture."""
    return max((min(parameter.shape) for parameter in model.parameters() if parameter.dim() == 2), default=1)

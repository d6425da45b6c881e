"""What a checkpoint belongs to: the parameters and data that decide a job's result."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.training.params import TrainingParams

WORLD_SIZE = "world size"
# These change how a job is started, watched and kept, not what comes out.
_WITHOUT_EFFECT = ("resume", "checkpoint_every", "launcher")
_SPEAKING = (
    "cached_chunks",
    "speech.workers",
    "speech.answers",
    "speech.weights_folder",
    "recogniser.workers",
    "recogniser.weights_folder",
)
_WEIGHTS = ("*.json", "*.safetensors", "*.jinja")


def fingerprint(
    params: TrainingParams, policy: Path, index: pd.DataFrame, world_size: int, deepspeed: Mapping[str, Any]
) -> dict[str, str]:
    """Everything that decides the outcome of a job, each under a name that can be shown to a person.

    Args:
        params: The parameter block.
        policy: Folder (or hub id) of the policy that the job starts from; all its files are hashed.
        index: The sample table.
        world_size: Number of ranks: it decides which rank sees which row.
        deepspeed: The parsed DeepSpeed file.

    Returns:
        Names and values, e.g. `{"optimizer.eps": "1e-08", "sample table": "5f…"}`.
    """
    return decisive_parameters(params) | _flat("deepspeed.", dict(deepspeed)) | {
        WORLD_SIZE: str(world_size),
        "upstream policy": _hash_folder(policy),
        "sample table": _hash_table(index),
    }  # fmt: skip


def decisive_parameters(params: TrainingParams) -> dict[str, str]:
    """The parameters that decide the outcome of a job: dotted key → value."""
    dumped = _flat("", params.model_dump(mode="json", exclude=set(_WITHOUT_EFFECT)))
    for name in _SPEAKING:
        dumped.pop(f"spoken.{name}", None)
    return dumped


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Names under which two fingerprints differ, sorted."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def _flat(prefix: str, values: Mapping[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(f"{prefix}{key}.", value)
        else:
            flat[f"{prefix}{key}"] = repr(value)
    return flat


def _hash_folder(folder: Path) -> str:
    if not folder.is_dir():
        return str(folder)
    files = sorted({path for pattern in _WEIGHTS for path in folder.glob(pattern)})
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _hash_table(table: pd.DataFrame) -> str:
    digest = hashlib.sha256(" ".join(map(str, table.columns)).encode())
    digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return digest.hexdigest()

"""What a run is called, and the tags by which runs are found and compared."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

SEEDED: Final = {
    "ingestion": "ingestion.verified.seed",
    "features": "ingestion.verified.seed",
    "audit": None,
    "evaluation": None,
}
"""Key of the seed that a pipeline's name shows, where it is not ``<pipeline>.seed``; None shows none."""


def run_name(pipeline: str, env: str, parameters: Mapping[str, Any], now: datetime, experiment: str = "") -> str:
    """A name that tells what ran, such as ``rl reinforce_pp seed 0 · 23 Nov 18:42:07``.

    Args:
        pipeline: The pipeline that was asked for.
        env: Kedro environment; shown unless it is the usual one.
        parameters: Parameters of the run's stages, dotted keys.
        now: When it started; runs of the same work differ by it.
        experiment: Name of the DVC experiment, if the run is part of one.
    """
    trained = "rl" if "rl.seed" in parameters else pipeline
    words = [pipeline]
    if "rl.algorithm.name" in parameters and pipeline != "evaluation":
        words.append(str(parameters["rl.algorithm.name"]))
    seed = parameters.get(SEEDED.get(pipeline, f"{trained}.seed") or "")
    words += [f"seed {seed}"] if seed is not None else []
    words += [f"[{env}]"] if env not in ("base", "local") else []
    words += [experiment] if experiment else []
    return f"{' '.join(words)} · {now.day} {now:%b %H:%M:%S}"


def conf_hash(parameters: Mapping[str, Any]) -> str:
    """SHA-256 of the parameters as canonical JSON: the same hash, the same configuration."""
    canonical = json.dumps(dict(parameters), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def seeds(parameters: Mapping[str, Any]) -> dict[str, int]:
    """Every seed among the parameters."""
    return {key: value for key, value in parameters.items() if key.rpartition(".")[2] == "seed" and value is not None}


def configuration_tags(parameters: Mapping[str, Any], hashes: Mapping[str, str]) -> dict[str, str]:
    """Tags of what the run was configured with and started from.

    Args:
        parameters: Parameters of the run's stages, dotted keys.
        hashes: DVC's hash of each input, by path.
    """
    tags = {
        "soundmind.conf_hash": conf_hash(parameters),
        "soundmind.seeds": _json(seeds(parameters)),
        "soundmind.inputs": _json(hashes)[:5000],
        "soundmind.inputs_md5": hashlib.md5(_json(hashes).encode(), usedforsecurity=False).hexdigest(),
    }
    if "rl.algorithm.name" in parameters:
        tags["soundmind.algorithm"] = str(parameters["rl.algorithm.name"])
    return tags


def parent_runs(run_ids: Iterable[str | None]) -> str:
    """The runs that built what this one starts from, comma-separated, each once."""
    return ",".join(dict.fromkeys(run_id for run_id in run_ids if run_id))


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(dict(content), sort_keys=True)

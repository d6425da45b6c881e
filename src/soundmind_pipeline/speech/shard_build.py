"""Computing the log-mels of a whole dataset into shards, resumably and in memory that its size does not change."""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tqdm import tqdm

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.log_mels import SpokenClip
from soundmind_pipeline.speech.shard_engines import build_here, build_in_processes, build_on_ray
from soundmind_pipeline.speech.shard_plan import PlannedShard, plan_shards
from soundmind_pipeline.speech.shards import LogMelStore, ShardMark, mark_file, shard_file, whole_shard, write_index

logger = logging.getLogger(__name__)

SECONDS_WORTH_A_PROCESS: Final = 15_000
"""Speech that one core turns into log-mels in the time that a process takes to start and to import torch."""


@dataclass(frozen=True)
class Workforce:
    """Who computes.

    Attributes:
        engine: `local` processes, or `ray`.
        workers: Shards that are computed at the same time.
        ray_address: Address of a Ray cluster; None starts a local one.
    """

    engine: Literal["local", "ray"] = "local"
    workers: int = 2
    ray_address: str | None = None


def build_shards(folder: Path, clips: Mapping[str, SpokenClip], shard_bytes: int, workforce: Workforce) -> LogMelStore:
    """Write the log-mels of ``clips`` as shards.

    What a killed run left in ``folder`` is used where it is whole, undamaged and made from the same clips. Each worker
    holds one clip in memory.

    Args:
        folder: Where the shards go.
        clips: The sound files by uid, in the order in which they are stored.
        shard_bytes: A shard is closed once it holds this many bytes.
        workforce: Who computes.

    Raises:
        SoundmindError: The disk is too small, a clip cannot be used, or a worker died.
    """
    planned = plan_shards(clips.items(), shard_bytes)
    folder.mkdir(parents=True, exist_ok=True)
    _discard_others(folder, planned)
    marks = {shard.name: mark for shard in planned if (mark := whole_shard(folder, shard.name, shard.fingerprint))}
    missing = [shard for shard in planned if shard.name not in marks]
    _announce(folder, planned, missing)
    with tqdm(total=len(clips), desc="Log-mels", unit="clip", disable=None) as progress:
        progress.update(sum(len(mark.clips) for mark in marks.values()))
        for mark in _build(folder, missing, workforce):
            marks[mark.name] = mark
            progress.update(len(mark.clips))
    write_index(folder, (marks[shard.name] for shard in planned))
    return LogMelStore(folder)


def _build(folder: Path, shards: Sequence[PlannedShard], workforce: Workforce) -> Iterator[ShardMark]:
    if not shards:
        return iter(())
    workers = min(workforce.workers, len(shards))
    if workforce.engine == "ray":
        return build_on_ray(folder, shards, workers, workforce.ray_address)
    worthwhile = round(sum(shard.seconds for shard in shards) / SECONDS_WORTH_A_PROCESS)
    if min(workers, worthwhile) > 1:
        return build_in_processes(folder, shards, min(workers, worthwhile))
    return build_here(folder, shards)


def _discard_others(folder: Path, planned: Sequence[PlannedShard]) -> None:
    """Remove what no shard of this plan can be made from: an index, half-written files, shards of a larger dataset."""
    names = [shard.name for shard in planned]
    kept = {shard_file(folder, name) for name in names} | {mark_file(folder, name) for name in names}
    for path in set(folder.iterdir()) - kept:
        path.unlink()


def _announce(folder: Path, planned: Sequence[PlannedShard], missing: Sequence[PlannedShard]) -> None:
    """Say what is going to be written, and refuse what does not fit.

    Raises:
        SoundmindError: The disk has less space than the missing shards take.
    """
    total, needed = (sum(shard.bytes for shard in shards) for shards in (planned, missing))
    free = shutil.disk_usage(folder).free
    clips = sum(len(shard.clips) for shard in planned)
    done = f"; {len(planned) - len(missing)} of them there already" if len(missing) < len(planned) else ""
    logger.info(
        "Log-mels of %d clips take %s, %d shard(s) in all%s. %s are free.",
        clips,
        _size(total),
        len(planned),
        done,
        _size(free),
    )
    if needed > free:
        raise SoundmindError(
            f"Log-mels of {clips} clips need {_size(needed)} more; {folder} has {_size(free)} free.",
            hint="Set features.log_mels to computed, which stores none, or put `data` on a larger disk.",
        )


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"

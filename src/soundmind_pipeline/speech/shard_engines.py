"""Who computes shards of log-mels: this process, a pool of processes, or Ray. All write the same bytes."""

import logging
import os
import pickle
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.shard_plan import PlannedShard
from soundmind_pipeline.speech.shards import ShardMark, write_shard

RAY_OBJECT_STORE_BYTES: Final = 100 << 20
"""Memory that a local Ray sets aside for what its processes exchange, which is little: shards go through the disk."""


def build_shard(folder: Path, shard: PlannedShard) -> ShardMark:
    """Read a shard's clips, compute their log-mels and write them, with one thread.

    Raises:
        SoundmindError: A clip cannot be used or has changed since it was planned; the message names its file.
    """
    mels = ((uid, clip.log_mel()) for uid, clip in shard.clips)
    return write_shard(folder, shard.name, shard.fingerprint, shard.frames, mels)


def build_here(folder: Path, shards: Sequence[PlannedShard]) -> Iterator[ShardMark]:
    """Build the shards one after the other in this process."""
    return (build_shard(folder, shard) for shard in shards)


def build_in_processes(folder: Path, shards: Sequence[PlannedShard], workers: int) -> Iterator[ShardMark]:
    """Build the shards in ``workers`` processes; marks come as shards are finished.

    Raises:
        SoundmindError: A clip cannot be used, or a process died.
    """
    with worker_pool(workers) as pool:
        yield from build_in_pool(pool, folder, shards)


def build_in_pool(pool: ProcessPoolExecutor, folder: Path, shards: Sequence[PlannedShard]) -> Iterator[ShardMark]:
    """As :func:`build_in_processes`, in a pool that is there already."""
    try:
        for future in as_completed([pool.submit(build_shard, folder, shard) for shard in shards]):
            yield future.result()
    except BrokenProcessPool as error:
        raise SoundmindError(
            "A process that computes log-mels was killed, perhaps for want of memory.",
            hint="Lower features.workers and run it again; the shards that are done are kept.",
        ) from error


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end when this one does; what has not been begun when the block is left is not done."""
    # Not forked: a fork of a process whose libraries have threads can hang.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _prepare_worker)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and end when it does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def build_on_ray(
    folder: Path, shards: Sequence[PlannedShard], workers: int, address: str | None
) -> Iterator[ShardMark]:
    """Build the shards with Ray Data, ``workers`` at a time; marks come as shards are finished.

    Args:
        folder: Where they go; every machine must see it, and the clips, at the same path.
        shards: What to build.
        workers: Most shards that are computed at the same time.
        address: The cluster's; None starts a local Ray of ``workers`` cores and ends it afterwards.

    Raises:
        SoundmindError: Ray is not installed or not reachable, or a clip cannot be used.
    """
    ray = _connect(workers, address)
    try:
        rows = [{"shard": pickle.dumps(shard)} for shard in shards]
        tasks = ray.data.from_items(rows, override_num_blocks=len(rows))
        build = partial(_build_row, folder.absolute())
        for row in tasks.map(build, num_cpus=1, compute=ray.data.TaskPoolStrategy(size=workers)).iter_rows():
            outcome = pickle.loads(row["outcome"])
            if isinstance(outcome, SoundmindError):
                raise outcome
            yield outcome
    finally:
        ray.shutdown()


def _connect(workers: int, address: str | None) -> Any:
    """The ray module, connected."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise SoundmindError(
            f"features.engine is ray, which is not installed ({error}).",
            hint="pip install 'soundmind-pipeline[cluster]', or set features.engine to local.",
        ) from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # its plans; what fails is raised
    local: dict[str, Any] = {"num_cpus": workers, "object_store_memory": RAY_OBJECT_STORE_BYTES}
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.WARNING,
            include_dashboard=None if address else False,
            **({} if address else local),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise SoundmindError(
            f"features.ray_address: Ray cannot be reached at {address or 'local'}: {error}",
            hint="`ray status` on a machine of the cluster tells its address; null starts a local Ray.",
        ) from error
    return ray


def _build_row(folder: Path, row: dict[str, bytes]) -> dict[str, bytes]:
    """One Ray Data row: a shard in, its mark or the user's error out (Ray would bury it in a traceback)."""
    try:
        outcome: ShardMark | SoundmindError = build_shard(folder, pickle.loads(row["shard"]))
    except SoundmindError as error:
        outcome = error
    return {"outcome": pickle.dumps(outcome)}

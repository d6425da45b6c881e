"""The processes of one training job: start, collective sums, end."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.distributed as dist

from soundmind_pipeline.training.allocator import keep_freed_memory
from soundmind_pipeline.training.pulse import beat

_ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}


@dataclass(frozen=True)
class Ranks:
    """This process's place among the processes of the job; the methods are collective calls."""

    rank: int
    """0 … world_size - 1; rank 0 writes files, metrics and progress."""
    world_size: int
    """Number of processes."""
    device: torch.device
    """Where this process computes."""

    @property
    def is_main(self) -> bool:
        """Whether this process does what must be done once."""
        return self.rank == 0

    def totals(self, values: Sequence[float]) -> list[float]:
        """Sum each of ``values`` over the ranks, in float64."""
        if self.world_size == 1:
            return [float(value) for value in values]
        beat("sum over ranks", waits=True)
        summed = torch.tensor(list(values), dtype=torch.float64, device=self.device)
        dist.all_reduce(summed)
        return cast("list[float]", summed.tolist())

    def largest(self, value: int) -> int:
        """The largest of the ranks' values."""
        if self.world_size == 1:
            return value
        beat("maximum over ranks", waits=True)
        tensor = torch.tensor(value, dtype=torch.int64, device=self.device)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return int(tensor)

    def gathered(self, value: Any) -> list[Any]:
        """Every rank's ``value`` (any picklable object), in the order of the ranks."""
        if self.world_size == 1:
            return [value]
        beat("gather from ranks", waits=True)
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def from_main(self, value: Any) -> Any:
        """Rank 0's ``value`` (any picklable object), on every rank."""
        if self.world_size == 1:
            return value
        beat("broadcast from rank 0", waits=True)
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.world_size > 1:
            beat("barrier", waits=True)
            dist.barrier()


@contextmanager
def process_group(threads: int) -> Iterator[Ranks]:
    """Join the job's process group and leave it at the end.

    A launcher (torchrun, deepspeed, srun) tells ranks by the environment variables RANK, LOCAL_RANK, WORLD_SIZE,
    MASTER_ADDR and MASTER_PORT. Without them this process is the whole job: it rendezvouses with itself in memory, so
    no port is opened. Variables, thread count and process group are put back as they were; the allocator goes on
    keeping freed memory.

    Args:
        threads: CPU threads of this process; the same number gives the same bits.

    Yields:
        The ranks of the job.
    """
    before, threads_before = dict(os.environ), torch.get_num_threads()
    for name, value in _ALONE.items():
        os.environ.setdefault(name, value)
    torch.set_num_threads(threads)
    keep_freed_memory()
    _prepare_deepspeed()
    joined_before, hook = dist.is_initialized(), sys.excepthook
    try:
        yield _join()
    finally:
        if not joined_before:
            _leave()
            sys.excepthook = hook  # joining puts "[rank0]:" before every line of a traceback, once more each time
        torch.set_num_threads(threads_before)
        for name in _ALONE:
            if name not in before:
                os.environ.pop(name, None)


def _prepare_deepspeed() -> None:
    """Settings that DeepSpeed reads when it is imported, and those of its operators that must not be compiled."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    # Deprecations inside torch and DeepSpeed that nobody here can act upon, one a collective call.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed|deepspeed")
    import deepspeed.ops

    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    # Without this g++ is asked for a shared-memory collective (45 to 140 s) that gloo does well enough. The table is
    # set whole, because reading it makes DeepSpeed try the compiler on every operator it knows.
    deepspeed.ops.__compatible_ops__ = {"deepspeed_shm_comm": False}


def _join() -> Ranks:
    import deepspeed

    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    backend, world_size = ("nccl" if on_gpu else "gloo"), int(os.environ["WORLD_SIZE"])
    if not dist.is_initialized():
        if world_size == 1:
            dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
        else:
            dist.init_process_group(backend)
    deepspeed.init_distributed(dist_backend=backend, auto_mpi_discovery=False, verbose=False)
    return Ranks(rank=dist.get_rank(), world_size=dist.get_world_size(), device=device)


def _leave() -> None:
    import deepspeed.comm.comm
    from deepspeed.utils import groups

    if dist.is_initialized():
        dist.destroy_process_group()
    # DeepSpeed remembers the group that is gone; a second job in this process must start from nothing.
    deepspeed.comm.comm.cdb = None
    groups._WORLD_GROUP = None

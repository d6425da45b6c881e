"""Parameters of the launcher."""

from typing import Literal, Self

from pydantic import Field, model_validator

from soundmind_pipeline.params import Params


class LauncherParams(Params):
    """How the processes (ranks) of a training job are started, and when a silent one is given up."""

    kind: Literal["in_process", "torchrun", "deepspeed", "slurm"] = "in_process"
    """`in_process`: one rank, here; `torchrun`: several on this machine; `deepspeed`: on the machines of `hostfile`;
    `slurm`: on the machines of the running allocation."""

    processes: int = Field(default=1, ge=1)
    """Ranks on each machine: one a GPU."""

    hostfile: str | None = None
    """For `deepspeed`: a file with one line a machine, such as `worker-1 slots=8`."""

    port: int = Field(default=29_500, ge=1024, le=65_535)
    """For `deepspeed` and `slurm`: port of the first machine at which the ranks meet."""

    hang_seconds: float = Field(default=1800.0, gt=0)
    """A rank that gives no sign of life for so long (one begins with every micro-batch, collective and round of
    rollouts) is taken for hung, and the job ends."""

    grace_seconds: float = Field(default=20.0, ge=0)
    """How long ranks may take to end when asked, before they are killed."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.kind == "in_process" and self.processes > 1:
            raise ValueError("in_process runs one rank: set kind to torchrun, deepspeed or slurm for more")
        if (self.kind == "deepspeed") != (self.hostfile is not None):
            raise ValueError("hostfile is needed for kind: deepspeed, and used by no other")
        return self

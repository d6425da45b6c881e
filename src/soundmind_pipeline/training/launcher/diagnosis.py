"""Which rank ended a job, and why."""

import re
from pathlib import Path
from typing import Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.training.launcher.job import JobFolder, Report

_PEER_LOST: Final = re.compile(
    r"Connection (closed|reset|refused)|Broken pipe|DistBackendError|DistNetworkError|NCCL|remote process|Gloo|gloo"
)
"""Errors that a rank gets because another one is gone."""

_ROOT_CAUSE: Final = re.compile(r"Root Cause.*?^\s*rank\s*: (\d+)\b", re.DOTALL | re.MULTILINE)
_LOG_LINES: Final = 20
_MEMORY_EVENTS: Final = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))
_GO_ON: Final = "The same command goes on from the last checkpoint."
_LESS_MEMORY: Final = (
    "Lower micro_batch_tokens, choose a higher ZeRO stage or offload: `soundmind plan` tells what fits."
)


def diagnose(job: JobFolder, hung: str | None, status: int, oom_killed: bool) -> SoundmindError:
    """The error that tells a person which rank ended the job.

    Args:
        job: The launch, after its end.
        hung: What the watchdog said, if it ended the job.
        status: Exit status of the launcher.
        oom_killed: Whether the system has killed a process for want of memory meanwhile.
    """
    if hung:
        rank = int(hung.split()[1])
        return SoundmindError(
            f"{hung}; the job was ended. Stacks of all threads: {job.log(rank)}",
            f"Raise launcher.hang_seconds if a step may take so long. {_GO_ON}",
        )
    reports = job.reports()
    failed = [report for report in reports if report.outcome == "failed"]
    own = [report for report in failed if not _PEER_LOST.search(report.error)]
    silent = [place for place in job.places() if place.rank not in {report.rank for report in reports}]
    # A rank that waits for a peer may be killed silently too, after the one that died first, which torchrun knows.
    silent.sort(key=lambda place: (place.rank != _root_cause(job), place.rank))
    if own:
        return _of_exception(job, own[0])
    if silent:
        place = silent[0]
        cause = "the system killed it because memory ran out" if oom_killed else "it was killed"
        return SoundmindError(
            f"Rank {place.rank} (pid {place.pid} on {place.host}) died without a word: {cause}. "
            f"Its log: {job.log(place.rank)}{_tail(job.log(place.rank))}",
            _LESS_MEMORY if oom_killed else _GO_ON,
        )
    if failed:
        return _of_exception(job, failed[0])
    log = job.path / "launcher.log"
    return SoundmindError(f"The launcher ended with status {status} before any rank failed. Its log: {log}{_tail(log)}")


def oom_kills() -> int:
    """How many processes of this machine's or container's group the system has killed for want of memory."""
    for file in _MEMORY_EVENTS:
        try:
            found = re.search(r"^oom_kill (\d+)$", file.read_text(), re.MULTILINE)
        except OSError:
            continue
        if found:
            return int(found[1])
    return 0


def _root_cause(job: JobFolder) -> int | None:
    """The rank that torchrun has seen fail first, where it says so."""
    log = job.path / "launcher.log"
    found = _ROOT_CAUSE.search(log.read_text(errors="replace")) if log.exists() else None
    return int(found[1]) if found else None


def _of_exception(job: JobFolder, report: Report) -> SoundmindError:
    what = "ran out of memory" if report.out_of_memory else "failed"
    log = job.log(report.rank)
    return SoundmindError(
        f"Rank {report.rank} {what}: {report.error}\nIts log: {log}\n{report.traceback}".rstrip(),
        _LESS_MEMORY if report.out_of_memory else report.hint or _GO_ON,
    )


def _tail(log: Path) -> str:
    """The last lines of a log, on lines of their own."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in lines)

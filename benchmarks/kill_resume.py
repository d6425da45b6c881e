"""SFT and RL killed with SIGKILL at random moments and resumed: the same weights bit for bit, each metric step once.

    OMP_NUM_THREADS=1 python benchmarks/kill_resume.py

Needs Linux, a CPU, no download and no data: the toy problem of the tests, with a policy of 60,000 weights. A case is a
job (SFT of all weights or RL of adapters) at one ZeRO stage (0, 2) on one rank or two, the latter through the launcher
(`torchrun`). It runs once undisturbed. Then it is killed again and again, at moments drawn uniformly over its steps
(`--seed`): on one rank the process itself; on two either a rank, which the error must name, or the launching process,
which must leave nobody behind. After each kill the same call is made, at once. At the end

- the exported weights equal those of the undisturbed run bit for bit, and so does the history,
- the MLflow run (a real SQLite store) holds each step of each metric once, with the undisturbed run's value,
- no process and no checkpoint is left.

The table tells what the killed rank was doing. The peer is the undisturbed run: the last line is one JSON object whose
`ratio` is the share of cases that end as it did.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from _killed_jobs import QUIET, Case, Job
from soundmind_pipeline import environment

TIMES = ("seconds", "tokens_per_second")
DEADLINE = 180.0


@dataclass
class Outcome:
    """What became of a case."""

    case: str
    kills: int = 0
    moments: Counter[str] = field(default_factory=Counter)
    """What the killed rank was doing."""
    victims: Counter[str] = field(default_factory=Counter)
    """Which process was killed."""
    faults: list[str] = field(default_factory=list)
    """What differs from the undisturbed run; empty when all is well."""
    seconds: float = 0.0


def run_case(case: Case, kills: int, chance: random.Random, root: Path, policy: Path) -> Outcome:
    """Run a case undisturbed, then killed `kills` times; what differs."""
    started, outcome = time.monotonic(), Outcome(str(case))
    straight = Job(case, root / f"{case} straight".replace(" ", "-"), root, policy)
    step_seconds = _undisturbed(straight)
    if not any(value > 0 for _, value in straight.metrics()[f"{'sft' if case.job == 'sft' else 'policy'}/grad_norm"]):
        raise RuntimeError(f"{case} learns nothing: equal weights would prove nothing")
    steps = straight.step()
    killed = Job(case, root / f"{case} killed".replace(" ", "-"), root, policy)
    while outcome.kills < kills:
        process = None
        for moment in sorted(chance.uniform(0, steps) for _ in range(kills - outcome.kills)):
            process = killed.start()
            if not _kill_at(killed, process, moment, step_seconds, chance, outcome):
                break  # it was done before: the next call begins anew
        else:
            process = killed.start()
        process.join(DEADLINE)
        if process.exitcode:
            outcome.faults.append(f"resumed run ended with {process.exitcode}: {killed.error()}")
            break
        outcome.faults += _differences(straight, killed)
    outcome.seconds = time.monotonic() - started
    return outcome


def _undisturbed(job: Job) -> float:
    """Run to the end; seconds a step."""
    process = job.start()
    began = None
    while process.is_alive():
        if began is None and job.step():
            began = time.monotonic()
        time.sleep(0.02)
    if process.exitcode:
        raise RuntimeError(f"{job.case} failed undisturbed: {job.error()}")
    return (time.monotonic() - (began or time.monotonic())) / max(1, job.step() - 1)


def _kill_at(
    job: Job, process: Any, moment: float, step_seconds: float, chance: random.Random, outcome: Outcome
) -> bool:
    """Kill the job at `moment`, counted in steps; whether it still ran."""
    deadline = time.monotonic() + DEADLINE
    while process.is_alive() and (job.step() < int(moment) or not _is_up(job)):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{job.case} makes no progress: {job.error()}")
        time.sleep(0.01)
    process.join(moment % 1 * step_seconds)
    if not process.is_alive():
        return False
    pids = job.pids()
    victim = chance.randrange(len(pids) + 1) if pids else 0
    doing = job.doing(max(0, victim - 1))
    try:
        os.kill(pids[victim - 1] if victim else process.pid, signal.SIGKILL)
    except ProcessLookupError:  # the rank was done a moment ago
        return False
    process.join(DEADLINE)
    if victim and process.exitcode == 0:
        return False  # the rank had written its result
    if victim and f"Rank {victim - 1} " not in job.error() and not job.is_done(victim - 1):
        outcome.faults.append(f"rank {victim - 1} was killed, but the error says: {job.error()}")
    outcome.kills += 1
    outcome.moments[doing] += 1
    outcome.victims[f"rank {victim - 1}" if victim else "launching process" if job.case.ranks > 1 else "rank 0"] += 1
    return True


def _is_up(job: Job) -> bool:
    return job.case.ranks == 1 or len(job.pids()) == job.case.ranks


def _differences(straight: Job, killed: Job) -> list[str]:
    """How the killed job's results differ from those of the undisturbed one."""
    faults = []
    one, other = (_weights(job.folder / "work" / "export") for job in (straight, killed))
    if one != other:
        faults.append(f"weights differ: {sorted(name for name in {*one, *other} if one.get(name) != other.get(name))}")
    histories = [_without_times(pd.read_pickle(job.folder / "history.pkl")) for job in (straight, killed)]
    if not histories[0].equals(histories[1]):
        faults.append("histories differ")
    expected, found = straight.metrics(), killed.metrics()
    for name in sorted({*expected, *found}):
        timed = name.endswith(TIMES)
        pairs = [[row[:1] if timed else row for row in rows.get(name, [])] for rows in (expected, found)]
        if pairs[0] != pairs[1]:
            faults.append(f"MLflow's {name} differs: {pairs[0]} and {pairs[1]}")
    if (killed.folder / "work" / "checkpoints").exists():
        faults.append("checkpoints are left")
    if left := killed.ranks_left():
        faults.append(f"processes are left: {left}")
    return faults


def _weights(export: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in export.glob("*.safetensors")}


def _without_times(history: pd.DataFrame) -> pd.DataFrame:
    return history.drop(columns=[name for name in history if name.endswith(TIMES)])


def _row(outcome: Outcome) -> str:
    moments = ", ".join(f"{doing} {count}" for doing, count in outcome.moments.most_common())
    victims = ", ".join(f"{victim} {count}" for victim, count in sorted(outcome.victims.items()))
    verdict = "; ".join(outcome.faults) or "same bits"
    return f"{outcome.case:18s} {outcome.kills:3d} kills of {victims} | {moments} | {outcome.seconds:.0f} s | {verdict}"


def prepare(root: Path) -> Path:
    """The MLflow store (made by the first to open it) and the policy that all jobs start from."""
    os.environ.update(QUIET)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    import _toy_jobs
    from soundmind_pipeline.tracking import open_experiment

    open_experiment(root)
    return _toy_jobs.toy_policy(root / "policy").path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="kills a case")
    parser.add_argument("--seed", type=int, default=None, help="of the moments; by default another one each time")
    parser.add_argument("--worlds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--stages", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--jobs", nargs="+", default=["sft", "rl"])
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    environment.prepare()
    root = Path(tempfile.mkdtemp(prefix="kill_resume-"))
    policy = prepare(root)
    cases = [
        Case(job, stage, ranks) for ranks in arguments.worlds for stage in arguments.stages for job in arguments.jobs
    ]
    outcomes = []
    for case in cases:
        outcome = run_case(case, arguments.kills, random.Random(f"{seed} {case}"), root, policy)
        outcomes.append(outcome)
        moments = ", ".join(f"{doing} {count}" for doing, count in outcome.moments.most_common())
        victims = ", ".join(f"{victim} {count}" for victim, count in sorted(outcome.victims.items()))
        verdict = "; ".join(outcome.faults) or "same bits"
        print(
            f"{case}: {outcome.kills} kills ({victims}) while: {moments}; {outcome.seconds:.0f} s; {verdict}",
            flush=True,
        )
    well = sum(not outcome.faults for outcome in outcomes)
    if well == len(outcomes):
        shutil.rmtree(root)
    else:
        print(f"What is left of the cases: {root}")
    print(
        json.dumps(
            {
                "benchmark": "kill_resume",
                "peer": "undisturbed run",
                "ratio": well / len(outcomes),
                "seed": seed,
                "kills": sum(outcome.kills for outcome in outcomes),
                "cases": [vars(outcome) for outcome in outcomes],
            }
        )
    )
    sys.exit(well != len(outcomes))


if __name__ == "__main__":
    main()

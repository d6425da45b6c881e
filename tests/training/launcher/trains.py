"""Training functions for ranks started by the launcher tests; found by name on PYTHONPATH."""

import atexit
import os
import signal
import time
from pathlib import Path

import torch

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.training.pulse import beat
from soundmind_pipeline.training.ranks import process_group


def add_up(work, metrics, params, number):
    with process_group(params.threads) as ranks:
        for step in range(1, 4):
            metrics.log(step, {"toy/sum": ranks.totals([number + ranks.rank])[0]})
        return ranks.world_size, ranks.gathered(ranks.rank)


def raise_on_rank_1(work, metrics, params):
    with process_group(params.threads) as ranks:
        metrics.log(1, {"toy/started": 1.0})
        if ranks.rank == 1:
            raise ZeroDivisionError("the second rank divides by zero")
        ranks.totals([1.0])


def refuse(work, metrics, params):
    raise SoundmindError("rl.steps is too small.", "Raise it.")


def run_out_of_memory(work, metrics, params):
    with process_group(params.threads) as ranks:
        if ranks.rank == 1:
            torch.empty(1 << 60)
        ranks.totals([1.0])


def die_on_rank_1(work, metrics, params):
    with process_group(params.threads) as ranks:
        if ranks.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        ranks.totals([1.0])


def die_while_shutting_down_on_rank_1(work, metrics, params):
    def die_once_rank_0_is_done():
        while not Path(work, "launch", "report-0.json").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)

    with process_group(params.threads) as ranks:
        if ranks.rank == 1:
            atexit.register(die_once_rank_0_is_done)
        return ranks.rank, ranks.world_size


def hang_on_rank_1(work, metrics, params):
    with process_group(params.threads) as ranks:
        if ranks.rank == 1:
            beat("an endless loop")
            sleep_for_ever()
        ranks.barrier()


def sleep_for_ever():
    while True:
        time.sleep(0.1)


def wait_to_be_stopped(work, metrics, params):
    Path(work, f"waiting-{os.environ['RANK']}").touch()
    sleep_for_ever()

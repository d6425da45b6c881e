"""The watchdog, with a clock of its own."""

import json
import os

import pytest

from soundmind_pipeline.training.launcher.job import JobFolder, Report
from soundmind_pipeline.training.launcher.watch import Watch
from soundmind_pipeline.training.pulse import last_beat


@pytest.fixture
def job(tmp_path) -> JobFolder:
    folder = JobFolder(tmp_path)
    for rank in (0, 1):
        folder.announce(rank, 2)
    return folder


def live(job: JobFolder, rank: int, count: int, doing: str = "update", time: float = 0.0, waits: bool = False) -> None:
    job.pulse(rank).write_text(json.dumps({"count": count, "doing": doing, "time": time, "waits": waits}).ljust(128))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_ranks_that_move_are_left_alone(job):
    clock = Clock()
    watch = Watch(job, 10, clock)
    for count in range(2, 8):
        clock.now += 9
        for rank in (0, 1):
            live(job, rank, count, time=clock.now)
        assert watch.hung() is None


@pytest.mark.parametrize("barrier_at", [100.0, 100.2])
def test_the_rank_for_which_the_others_wait_is_named(job, barrier_at):
    clock = Clock()
    watch = Watch(job, 10, clock)
    live(job, 0, 5, "barrier", time=barrier_at, waits=True)
    live(job, 1, 4, "rollouts", time=100.1)
    assert watch.hung() is None
    clock.now = 10.5
    message = watch.hung()
    assert message.startswith(f"Rank 1 (pid {os.getpid()} on ")
    assert "'rollouts'" in message


def test_a_rank_that_has_ended_may_be_silent(job):
    clock = Clock()
    watch = Watch(job, 10, clock)
    live(job, 0, 5)
    live(job, 1, 5)
    job.report(Report(0, "done", 1.0))
    watch.hung()
    clock.now = 5
    live(job, 1, 6)
    watch.hung()
    clock.now = 12
    assert watch.hung() is None


def test_the_start_may_take_longer(job):
    clock = Clock()
    watch = Watch(job, 10, clock)
    live(job, 0, 1, "start")
    watch.hung()
    clock.now = 60
    assert watch.hung() is None
    clock.now = 301
    assert "'start'" in watch.hung()


def test_a_damaged_pulse_is_no_beat(tmp_path):
    assert last_beat(tmp_path / "none.json") is None
    (tmp_path / "pulse.json").write_text('{"count": 1')
    assert last_beat(tmp_path / "pulse.json") is None

"""Several ranks, started, watched over, and named when they fail."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.training.launcher.commands import WORKER
from soundmind_pipeline.training.launcher.job import JobFolder
from soundmind_pipeline.training.launcher.launch import _kill_ranks, run_training
from soundmind_pipeline.training.params import TrainingParams

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import trains  # noqa: E402 - ranks find it on their PYTHONPATH, under the same name


def two_ranks(**launcher) -> TrainingParams:
    return TrainingParams(threads=1, launcher={"kind": "torchrun", "processes": 2, "grace_seconds": 5, **launcher})


@pytest.fixture(autouse=True)
def findable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))


def ranks_of(work: Path) -> list[int]:
    """Pids of the rank processes of a job that still run."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = process.info["cmdline"] or []
        if WORKER in command and str(work / "launch") in command and "torch.distributed.run" not in command:
            found.append(process.info["pid"])
    return found


def test_two_ranks_give_rank_0s_result_and_metrics(tmp_path):
    sink = ListSink()
    result = run_training(trains.add_up, work=tmp_path, metrics=sink, params=two_ranks(), number=10)
    assert result == (2, [0, 1])
    assert sink.rows == [(step, {"toy/sum": 21.0}) for step in (1, 2, 3)]
    assert not (tmp_path / "launch").exists()


def test_in_process_is_a_plain_call(tmp_path):
    sink = ListSink()
    result = run_training(trains.add_up, work=tmp_path, metrics=sink, params=TrainingParams(threads=1), number=1)
    assert result == (1, [0])
    assert len(sink.rows) == 3


def test_the_first_rank_that_fails_is_named_with_its_traceback_and_log(tmp_path):
    sink = ListSink()
    with pytest.raises(SoundmindError, match="Rank 1 failed: ZeroDivisionError: the second rank") as caught:
        run_training(trains.raise_on_rank_1, work=tmp_path, metrics=sink, params=two_ranks())
    assert "in raise_on_rank_1" in caught.value.message
    assert str(tmp_path / "launch" / "rank-1.log") in caught.value.message
    assert "divides by zero" in (tmp_path / "launch" / "rank-1.log").read_text()
    assert sink.rows == [(1, {"toy/started": 1.0})]
    assert not ranks_of(tmp_path)


def test_what_a_person_can_mend_comes_without_a_traceback(tmp_path):
    with pytest.raises(SoundmindError, match=r"failed: rl\.steps is too small") as caught:
        run_training(trains.refuse, work=tmp_path, metrics=ListSink(), params=two_ranks())
    assert "Traceback" not in caught.value.message
    assert caught.value.hint == "Raise it."


def test_a_rank_that_runs_out_of_memory_is_told_apart(tmp_path):
    with pytest.raises(SoundmindError, match="Rank 1 ran out of memory") as caught:
        run_training(trains.run_out_of_memory, work=tmp_path, metrics=ListSink(), params=two_ranks())
    assert "micro_batch_tokens" in caught.value.hint


def test_a_rank_that_is_killed_is_named(tmp_path):
    with pytest.raises(SoundmindError, match=r"Rank 1 .* died without a word"):
        run_training(trains.die_on_rank_1, work=tmp_path, metrics=ListSink(), params=two_ranks())
    assert not ranks_of(tmp_path)


def test_what_happens_to_a_rank_that_is_done_is_no_failure(tmp_path):
    train = trains.die_while_shutting_down_on_rank_1
    assert run_training(train, work=tmp_path, metrics=ListSink(), params=two_ranks()) == (0, 2)


def test_a_rank_that_hangs_is_ended_and_its_stack_kept(tmp_path):
    with pytest.raises(SoundmindError, match=r"Rank 1 .* hangs: .*'an endless loop'"):
        run_training(
            trains.hang_on_rank_1, work=tmp_path, metrics=ListSink(), params=two_ranks(hang_seconds=3, grace_seconds=1)
        )
    assert "sleep_for_ever" in (tmp_path / "launch" / "rank-1.log").read_text()
    assert not ranks_of(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_ranks_first(tmp_path, number):
    def send_when_waiting() -> None:
        while len(list(tmp_path.glob("waiting-*"))) < 2:
            if over.wait(0.1):
                return
        os.kill(os.getpid(), number)

    before, over = signal.getsignal(number), threading.Event()
    sender = threading.Thread(target=send_when_waiting)
    sender.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_training(trains.wait_to_be_stopped, work=tmp_path, metrics=ListSink(), params=two_ranks())
    finally:
        over.set()
        sender.join()
    assert not ranks_of(tmp_path)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("next_launch", [False, True], ids=["by themselves", "at the next launch"])
def test_ranks_do_not_outlive_a_killed_launching_process(tmp_path, next_launch):
    script = (
        "import sys; from pathlib import Path; import trains\n"
        "from soundmind_pipeline.metrics import NullSink\n"
        "from soundmind_pipeline.training.launcher.launch import run_training\n"
        "from soundmind_pipeline.training.params import TrainingParams\n"
        "params = TrainingParams(threads=1, launcher={'kind': 'torchrun', 'processes': 2})\n"
        "run_training(trains.wait_to_be_stopped, work=Path(sys.argv[1]), metrics=NullSink(), params=params)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) as driver:
        try:
            while len(list(tmp_path.glob("waiting-*"))) < 2:
                assert driver.poll() is None
                time.sleep(0.1)
            assert len(ranks_of(tmp_path)) == 2
        finally:
            driver.kill()
    if next_launch:
        _kill_ranks(JobFolder(tmp_path / "launch"))
        assert not ranks_of(tmp_path)  # at once: they must not write into the next launch's folder
    deadline = time.monotonic() + 180
    while ranks_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not ranks_of(tmp_path)

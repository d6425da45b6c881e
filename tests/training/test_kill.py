"""Killed outright and resumed: the short form of benchmarks/kill_resume.py."""

import importlib
import random
import sys
from pathlib import Path

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="forks processes whose imports are done"),
]


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("kill_resume")


@pytest.fixture(scope="module")
def prepared(bench, tmp_path_factory):
    """A folder with an MLflow store, and the policy to start from."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in bench.QUIET.items():
            patch.setenv(name, value)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        root = tmp_path_factory.mktemp("killed")
        yield root, bench.prepare(root)


@pytest.mark.parametrize(("job", "ranks", "kills"), [("sft", 1, 2), ("rl", 1, 2), ("rl", 2, 1)])
def test_killed_and_resumed_gives_the_same_bits_and_each_metric_once(bench, prepared, job, ranks, kills):
    chance = random.Random(f"{job} {ranks}")  # other moments each time: the benchmark
    outcome = bench.run_case(bench.Case(job, 2, ranks), kills, chance, *prepared)
    assert not outcome.faults, outcome
    assert outcome.kills == kills


def test_a_step_that_is_lost_doubled_or_changed_is_told(bench, prepared, monkeypatch):
    root, policy = prepared
    jobs = [bench.Job(bench.Case("sft", 2, 1), root / name, root, policy) for name in ("one", "other")]
    for number, job in enumerate(jobs):
        export = job.folder / "work" / "export"
        export.mkdir()
        (export / "model.safetensors").write_bytes(bytes(number))
        pd.DataFrame({"step": [1], "sft/loss": [float(number)]}).to_pickle(job.folder / "history.pkl")
    log = jobs[0].client.log_metric
    for step in (1, 2):
        log(jobs[0].run_id, "sft/loss", 0.5, step=step)
    for step in (1, 1):
        log(jobs[1].run_id, "sft/loss", 0.5, step=step)
    (jobs[1].folder / "work" / "checkpoints").mkdir()
    assert [fault.split(":")[0] for fault in bench._differences(*jobs)] == [
        "weights differ",
        "histories differ",
        "MLflow's sft/loss differs",
        "checkpoints are left",
    ]

"""The processes of benchmarks/kill_resume.py: one call of a training function each, and what it leaves behind."""

import json
import multiprocessing
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PRELOADED = [
    "deepspeed", "mlflow", "peft", "soundmind_pipeline.training.reinforce.trainer", "soundmind_pipeline.training.sft",
    "soundmind_pipeline.tracking", "_toy_jobs", "_killed_jobs",
]  # fmt: skip
QUIET = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "DEEPSPEED_LOG_LEVEL": "error"}
QUIET |= {"MLFLOW_LOGGING_LEVEL": "WARNING", "MLFLOW_DISABLE_TELEMETRY": "true", "TRANSFORMERS_VERBOSITY": "error"}
# Semaphores that killed processes leave are no news.
QUIET |= {"PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker"}


@dataclass(frozen=True)
class Case:
    """A job that is killed."""

    job: str
    """`sft` or `rl`."""
    stage: int
    """ZeRO stage."""
    ranks: int
    """Number of ranks."""

    def __str__(self) -> str:
        return f"{self.job} zero{self.stage} world{self.ranks}"


def train(case: Case, folder: Path, project: Path, run_id: str, policy: Path) -> None:
    """Call the training function as the stage's node does; the body of a process that may be killed."""
    import _toy_jobs as toy
    from soundmind_pipeline.errors import SoundmindError
    from soundmind_pipeline.policy.folder import ModelFolder
    from soundmind_pipeline.tracking import MlflowSink, open_experiment
    from soundmind_pipeline.training.launcher.launch import run_training
    from soundmind_pipeline.training.launcher.worker import FileSink
    from soundmind_pipeline.training.pulse import start_pulse
    from soundmind_pipeline.training.reinforce.trainer import train_rl
    from soundmind_pipeline.training.sft import train_sft

    jobs = {"sft": (train_sft, "policy_init", toy.SFT), "rl": (train_rl, "sft_policy", toy.RL)}
    function, name, params = jobs[case.job]
    if case.ranks > 1:
        launcher = {"kind": "torchrun", "processes": case.ranks, "grace_seconds": 5.0}
        params = params.model_copy(update={"launcher": params.launcher.model_copy(update=launcher)})
    else:
        start_pulse(folder / "work" / "pulse-0.json")
    index, log_mels = toy.toy_problem()
    client, _ = open_experiment(project)
    mlflow, told = MlflowSink(client, run_id, interval=0.5), FileSink(folder / "told.jsonl")

    class Both:
        def log(self, step: int, metrics: Any) -> None:
            mlflow.log(step, metrics)
            told.log(step, {})

    try:
        _, history = run_training(
            function,
            work=folder / "work",
            metrics=Both(),
            params=params,
            index=index,
            log_mels=log_mels,
            deepspeed=toy.deepspeed_of(case.stage),
            **{name: ModelFolder(policy)},
        )
    except SoundmindError as error:
        (folder / "error.txt").write_text(error.message)
        sys.exit(1)
    finally:
        mlflow.flush()
    history.to_pickle(folder / "history.pkl")


class Job:
    """One case in one folder: its processes, its place in the run, its MLflow run."""

    def __init__(self, case: Case, folder: Path, project: Path, policy: Path) -> None:
        from soundmind_pipeline.tracking import open_experiment

        self.case, self.folder, self._project, self._policy = case, folder, project, policy
        (folder / "work").mkdir(parents=True)
        self.client, experiment = open_experiment(project)
        self.run_id = self.client.create_run(experiment, run_name=f"{case} {folder.name}").info.run_id
        self._context = multiprocessing.get_context("forkserver")  # imports are done once, processes are new
        self._context.set_forkserver_preload(PRELOADED)

    def start(self) -> Any:
        """A process that makes the call."""
        for name in ("told.jsonl", "error.txt"):
            (self.folder / name).unlink(missing_ok=True)
        arguments = (self.case, self.folder, self._project, self.run_id, self._policy)
        process = self._context.Process(target=train, args=arguments)
        process.start()
        return process

    def step(self) -> int:
        """The last step that the running process, or its rank 0, has told."""
        path = self.launch() / "metrics.jsonl"
        if not path.exists():
            path = self.folder / "told.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith("\n")]
        return int(json.loads(whole[-1])["step"]) if whole else 0

    def launch(self) -> Path:
        """Where the running ranks leave their signs of life."""
        return self.folder / "work" / ("launch" if self.case.ranks > 1 else "")

    def doing(self, rank: int) -> str:
        """What a rank was doing when it last gave a sign of life."""
        from soundmind_pipeline.training.pulse import last_beat

        beat = last_beat(self.launch() / f"pulse-{rank}.json")
        return beat.doing if beat else "start"

    def is_done(self, rank: int) -> bool:
        """Whether a rank has done its part: killed while it shuts down, it need not be named."""
        report = self.launch() / f"report-{rank}.json"
        return report.exists() and json.loads(report.read_text())["outcome"] == "done"

    def pids(self) -> list[int]:
        """Processes of the ranks, in the order of the ranks; empty on one rank."""
        places = [self.launch() / f"place-{rank}.json" for rank in range(self.case.ranks)]
        return [json.loads(place.read_text())["pid"] for place in places if place.exists()]

    def metrics(self) -> dict[str, list[tuple[int, float]]]:
        """What the MLflow run holds: name → steps and values."""
        names = self.client.get_run(self.run_id).data.metrics
        return {
            name: sorted((metric.step, metric.value) for metric in self.client.get_metric_history(self.run_id, name))
            for name in names
        }

    def ranks_left(self) -> list[int]:
        """Pids of processes of a launch of this job that still run."""
        found = psutil.process_iter(["pid", "cmdline"])
        return [process.info["pid"] for process in found if str(self.launch()) in (process.info["cmdline"] or [])]

    def error(self) -> str:
        """What the call that failed last said."""
        path = self.folder / "error.txt"
        return path.read_text()[-2000:] if path.exists() else "no error was told"

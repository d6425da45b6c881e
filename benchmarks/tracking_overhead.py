"""What tracking costs: CPU seconds of MLflow per RL step against those of the step itself, at nano size.

    OMP_NUM_THREADS=1 python benchmarks/tracking_overhead.py

Needs a CPU, no download and no data. `train_rl` runs with conf/base's parameters (16 prompts, 8 answers each) on a nano
policy of random weights and clips of noise of 3 s; answers are cut at 45 tokens, the length of a trained policy's. Its
metrics go to a fresh SQLite store as in `kedro run`: `MlflowSink` in batches every two seconds, and one sample of the
system metrics every ten. Making the store's tables and the run is printed
apart. The peer of the ratio is the step without tracking. The last line is one JSON object.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.pop("MLFLOW_TRACKING_URI", None)

from soundmind_pipeline import environment

environment.prepare()

import numpy as np  # noqa: E402
import yaml  # noqa: E402

from soundmind_pipeline.policy.folder import Policy, save_policy  # noqa: E402
from soundmind_pipeline.policy.nano import build_processor, build_thinker  # noqa: E402
from soundmind_pipeline.policy.params import TokenizerParams  # noqa: E402
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams  # noqa: E402
from soundmind_pipeline.problems.verified.generate import generate_samples  # noqa: E402
from soundmind_pipeline.runs.system import INTERVAL_SECONDS, start_system_metrics  # noqa: E402
from soundmind_pipeline.tracking import MlflowSink, open_experiment, tracking_uri  # noqa: E402
from soundmind_pipeline.training.deepspeed_config import choose_config  # noqa: E402
from soundmind_pipeline.training.params import RlParams, SftParams  # noqa: E402
from soundmind_pipeline.training.reinforce.trainer import train_rl  # noqa: E402

CONF = Path(__file__).parents[1] / "conf" / "base"
ANSWER_TOKENS = 45


class TimedSink:
    """Passes metrics on; notes the CPU time that takes, and that of everything since the last step."""

    def __init__(self, sink: MlflowSink) -> None:
        self._sink = sink
        self._process = time.process_time()
        self.tracking: list[float] = []
        self.step: list[float] = []
        self.wall = [time.perf_counter()]

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Time the step that ends here, then the logging of it."""
        between = time.process_time() - self._process
        started = time.thread_time()
        self._sink.log(step, metrics)
        self.tracking.append(time.thread_time() - started)
        self.step.append(between)
        self.wall.append(time.perf_counter())
        self._process = time.process_time()


def parameters(steps: int) -> RlParams:
    block = yaml.safe_load((CONF / "parameters_rl.yml").read_text())["rl"]
    block["steps"], block["checkpoint_every"], block["threads"] = steps, steps, 1
    block["sampling"]["max_new_tokens"] = ANSWER_TOKENS
    block["dev"]["every"] = 0
    return RlParams.model_validate(block)


def make_inputs(folder: Path) -> tuple:
    """A policy of random weights, problems, and noise for their clips."""
    index = generate_samples(VerifiedParams(counts=SplitCounts(train=200, dev=1, test=1)))
    processor = build_processor(index["reference_answer"].tolist(), TokenizerParams())
    model = SftParams.model_validate(yaml.safe_load((CONF / "parameters_sft.yml").read_text())["sft"]).model
    policy = save_policy(Policy(build_thinker(model, processor, seed=0), processor), folder / "sft")
    clip = np.random.default_rng(0).standard_normal((300, 128)).astype(np.float32)
    index = index.assign(leaked=False, question_seconds=3.0, mel_frames=300)
    return policy, index, dict.fromkeys(index["uid"], clip)


def seconds_of_a_sample(run_id: str, uri: str, samples: int = 20) -> float:
    """CPU seconds of one sample of the system metrics, taken and written as its thread does."""
    from mlflow import MlflowClient

    monitor = start_system_metrics(run_id, uri)
    monitor.finish()
    started = time.thread_time()
    for _ in range(samples):
        monitor.collect_metrics()
        MlflowClient(uri).get_run(run_id)
        monitor.publish_metrics(monitor.aggregate_metrics())
        monitor.mlflow_logger.flush()
    return (time.thread_time() - started) / samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12, help="RL steps; the first warms up")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soundmind-tracking-") as name:
        folder = Path(name)
        policy, index, log_mels = make_inputs(folder)
        params = parameters(arguments.steps)
        deepspeed = {path.stem: json.loads(path.read_text()) for path in (CONF / "deepspeed").glob("*.json")}
        started = time.process_time()
        client, experiment = open_experiment(folder)
        run_id = client.create_run(experiment).info.run_id
        opening = time.process_time() - started
        sink = TimedSink(MlflowSink(client, run_id))
        train_rl(policy, index, log_mels, folder / "work", sink, params, choose_config(deepspeed, params))
        sample = seconds_of_a_sample(run_id, tracking_uri(folder))
    step = statistics.median(sink.step[1:])
    wall = float(statistics.median(np.diff(sink.wall)[1:]))
    metrics = statistics.fmean(sink.tracking[1:])
    tracking = metrics + sample * wall / INTERVAL_SECONDS
    result = {
        "rl_step_cpu_seconds": round(step, 3),
        "rl_step_wall_seconds": round(wall, 3),
        "metrics_cpu_seconds_per_step": round(metrics, 4),
        "system_sample_cpu_seconds": round(sample, 4),
        "tracking_cpu_seconds_per_step": round(tracking, 4),
        "overhead": round(tracking / step, 4),
        "once_a_run_cpu_seconds": round(opening, 3),
        "steps": arguments.steps,
    }
    print(f"one RL step: {step:.2f} s CPU; tracking it: {1000 * tracking:.1f} ms, {100 * result['overhead']:.2f} %")
    print(f"once a run: {opening:.2f} s CPU for the store's tables and the run")
    print(json.dumps(result))


if __name__ == "__main__":
    main()

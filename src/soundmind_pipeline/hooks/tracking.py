"""One MLflow run for every ``kedro run``: parameters, tags, live metrics, artifacts, and an honest final status."""

import logging
import sys
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

from soundmind_pipeline.datasets.live_metrics import LiveMetrics
from soundmind_pipeline.gitinfo import git_commit, git_is_dirty
from soundmind_pipeline.hooks.stages import StageHooks
from soundmind_pipeline.metrics import NullSink
from soundmind_pipeline.session import parameters_of, stages_of
from soundmind_pipeline.stages import StageRecords
from soundmind_pipeline.tracking import MlflowSink, open_experiment

ARTIFACTS = ("report.html", "evaluation.json", "metrics.json", "sft_history.csv", "rl_history.csv")


class TrackingHooks:
    """Opens, feeds and closes the MLflow run."""

    run_id: str | None = None

    def __init__(self, stages: StageHooks) -> None:
        self._stages = stages
        self._sink: MlflowSink | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Learn the project's place and its parameters."""
        self._project = Path(context.project_path)
        self._reporting = self._project / context.config_loader["globals"]["data"] / "08_reporting"
        self._parameters = context.config_loader["parameters"]

    @hook_impl(trylast=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Start the run: readable name, tags that group one lineage, every parameter of the stages that run."""
        from mlflow.entities import Param

        stages = stages_of(pipeline)
        names = run_params["pipeline_names"] or ["all"]
        self._client, experiment = open_experiment(self._project)
        tags = {
            "soundmind.pipeline": ",".join(names),
            "soundmind.stages": ",".join(stages),
            "soundmind.lineage": self._stages.lineage,
            "soundmind.env": str(run_params["env"] or "base"),
            "mlflow.source.git.commit": git_commit(self._project) or "",
            "soundmind.git_dirty": str(git_is_dirty(self._project)).lower(),
            "soundmind.command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        }
        flat = {key: value for stage in stages for key, value in parameters_of(stage, self._parameters).items()}
        if "rl" in stages:
            tags["soundmind.algorithm"] = str(flat["rl.algorithm.name"])
        run = self._client.create_run(experiment, tags=tags, run_name=f"{names[-1]} {run_params['run_id'][:16]}")
        TrackingHooks.run_id = run.info.run_id
        params = [Param(key, str(value)[:6000]) for key, value in flat.items()]
        for start in range(0, len(params), 100):  # the store's limit for one batch
            self._client.log_batch(run.info.run_id, params=params[start : start + 100])
        self._sink = MlflowSink(self._client, run.info.run_id)
        LiveMetrics.sink = self._sink

    @hook_impl
    def after_node_run(self) -> None:
        """Write what the node left pending."""
        if self._sink:
            self._sink.flush()

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Log stage times and the files people compare; end the run as FINISHED."""
        seconds = StageRecords(self._reporting / "stages").seconds()
        if self._sink:
            self._sink.log(0, {f"seconds/{stage}": value for stage, value in seconds.items()})
        self.close("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: BaseException) -> None:
        """End the run as FAILED, or KILLED when it was interrupted, and keep the reason where the UI shows it."""
        if self.run_id:
            self._client.set_tag(self.run_id, "soundmind.error", str(error)[:500] or type(error).__name__)
        self.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")

    def close(self, status: str) -> None:
        """Flush, attach the reports that exist and set the run's final ``status``."""
        if self._sink is None or self.run_id is None:
            return
        self._sink.flush()
        for name in ARTIFACTS:
            path = self._reporting / name
            if path.exists() and status == "FINISHED":
                self._client.log_artifact(self.run_id, str(path))
        self._client.set_terminated(self.run_id, status)
        self._sink, LiveMetrics.sink = None, NullSink()
        logging.getLogger("soundmind_pipeline").debug("MLflow run %s: %s", self.run_id, status)

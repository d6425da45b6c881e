"""One MLflow run for every ``kedro run``: parameters, tags, live metrics, artifacts, and an honest final status."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import psutil
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

from soundmind_pipeline.datasets.live_metrics import LiveMetrics
from soundmind_pipeline.files import atomic_path
from soundmind_pipeline.gitinfo import git_commit, git_is_dirty
from soundmind_pipeline.hooks.stages import StageHooks
from soundmind_pipeline.metrics import NullSink
from soundmind_pipeline.session import parameters_of, stages_of
from soundmind_pipeline.stages import StageRecords
from soundmind_pipeline.tracking import MlflowSink, open_experiment

logger = logging.getLogger("soundmind_pipeline")

# What each stage leaves for people to look at and compare.
ARTIFACTS = {
    "audit": ("audit.html", "audit.json"),
    "sft": ("sft_history.csv",),
    "rl": ("rl_history.csv",),
    "evaluation": ("report.html", "evaluation.json", "metrics.json", "form_accuracies.csv", "figures"),
}


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
        self._marker = self._reporting / "stages" / ".mlflow_run.json"

    @hook_impl(trylast=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Start the run, or continue the one that a killed process left open; log tags and parameters."""
        from mlflow.entities import Param

        stages = self._run_stages = stages_of(pipeline)
        flat = {key: value for stage in stages for key, value in parameters_of(stage, self._parameters).items()}
        tags = self._tags(run_params, stages, flat)
        self._client, experiment = open_experiment(self._project)
        name = f"{(run_params['pipeline_names'] or ['all'])[-1]} {run_params['run_id'][:16]}"
        run_id = (
            self._left_open(tags, flat) or self._client.create_run(experiment, tags=tags, run_name=name).info.run_id
        )
        with atomic_path(self._marker) as temporary:
            temporary.write_text(json.dumps({"run_id": run_id, "pid": os.getpid()}) + "\n")
        params = [Param(key, str(value)[:6000]) for key, value in flat.items()]
        for start in range(0, len(params), 100):  # the store's limit for one batch
            self._client.log_batch(run_id, params=params[start : start + 100])
        TrackingHooks.run_id = run_id
        self._sink = LiveMetrics.sink = MlflowSink(self._client, run_id)

    def _tags(self, run_params: dict[str, Any], stages: list[str], parameters: dict[str, Any]) -> dict[str, str]:
        """Tags that name the run's code and configuration, and the lineage of all runs that build on one another."""
        tags = {
            "soundmind.pipeline": (run_params["pipeline_names"] or ["all"])[-1],
            "soundmind.stages": ",".join(stages),
            "soundmind.lineage": self._stages.lineage,
            "soundmind.env": str(run_params["env"] or "base"),
            "soundmind.git_dirty": str(git_is_dirty(self._project)).lower(),
            "soundmind.command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "mlflow.source.git.commit": git_commit(self._project) or "",
        }
        if "rl" in stages:
            tags["soundmind.algorithm"] = str(parameters["rl.algorithm.name"])
        return tags

    def _left_open(self, tags: dict[str, str], parameters: dict[str, Any]) -> str | None:
        """The run that a killed process left open, if this one does the same work; any other is ended as KILLED."""
        from mlflow.exceptions import MlflowException

        if not self._marker.exists():
            return None
        marker = json.loads(self._marker.read_text())
        if psutil.pid_exists(marker["pid"]) and marker["pid"] != os.getpid():
            return None
        try:
            left = self._client.get_run(marker["run_id"])
        except MlflowException:
            return None  # the store was removed or exchanged meanwhile
        if left.info.status != "RUNNING":
            return None
        same = left.data.tags.get("soundmind.pipeline") == tags["soundmind.pipeline"] and all(
            left.data.params.get(key, str(value)) == str(value)[:6000] for key, value in parameters.items()
        )
        if not same:
            self._client.set_terminated(marker["run_id"], "KILLED")
            return None
        logger.info("Continuing MLflow run %s.", left.info.run_name)
        return str(marker["run_id"])

    @hook_impl
    def after_node_run(self) -> None:
        """Write what the node left pending."""
        if self._sink:
            self._sink.flush()

    @hook_impl(trylast=True)
    def after_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Log stage times and the files people compare, the summary's additions included; end the run as FINISHED."""
        seconds = StageRecords(self._reporting / "stages").seconds()
        if self._sink:
            self._sink.log(0, {f"seconds/{stage}": value for stage, value in seconds.items()})
        self.close("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: BaseException) -> None:
        """End the run as FAILED, or KILLED when it was interrupted, and keep the reason where the UI shows it."""
        try:
            if self.run_id:
                self._client.set_tag(self.run_id, "soundmind.error", str(error)[:500] or type(error).__name__)
            self.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        except Exception as second:
            # A store that fails too (a full disk, a server that is gone) must not hide what went wrong first.
            logger.warning("MLflow could not be told of the failure: %s", str(second).splitlines()[0])

    def close(self, status: str) -> None:
        """Flush, attach the reports that exist and set the run's final ``status``."""
        if self._sink is None or self.run_id is None:
            return
        self._sink.flush()
        # Only what this run made: the report of an earlier run would pass for its own.
        names = [name for stage in self._run_stages for name in ARTIFACTS.get(stage, ())]
        for name in names:
            path = self._reporting / name
            if path.exists() and status == "FINISHED":
                log = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
                log(self.run_id, str(path), artifact_path=name if path.is_dir() else None)
        self._client.set_terminated(self.run_id, status)
        self._marker.unlink(missing_ok=True)
        self._sink, LiveMetrics.sink = None, NullSink()

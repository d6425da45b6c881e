"""One MLflow run for every ``kedro run``: parameters, tags, live metrics, artifacts, and an honest final status."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from soundmind_pipeline.datasets.live_metrics import LiveMetrics
from soundmind_pipeline.gitinfo import git_commit, git_is_dirty
from soundmind_pipeline.hooks.stages import StageHooks, stage_of
from soundmind_pipeline.metrics import NullSink
from soundmind_pipeline.runs.dvc_hashes import dvc_hashes
from soundmind_pipeline.runs.inputs import dataset_inputs, split_contexts
from soundmind_pipeline.runs.names import configuration_tags, parent_runs, run_name
from soundmind_pipeline.runs.open_runs import OpenRuns
from soundmind_pipeline.runs.system import start_system_metrics
from soundmind_pipeline.runs.tables import evaluation_table, log_evaluation_table
from soundmind_pipeline.session import parameters_of, stages_above, stages_of
from soundmind_pipeline.stages import STAGES, StageRecords
from soundmind_pipeline.tracking import MlflowSink, end_children, open_experiment, tracking_uri

logger = logging.getLogger("soundmind_pipeline")

ARTIFACTS = frozenset(
    {
        "audit_page", "audit_results",
        "sft_history", "rl_history",
        "report", "evaluation_results", "evaluation_metrics", "form_accuracies", "figures", "paper_tables",
        "ablation_results", "ablation_table", "ablation_figure", "ablation_page", "ablation_latex",
        "ablation_histories",
    }
)  # fmt: skip
"""Datasets that people look at and compare; weights and tables of samples are DVC's."""


class TrackingHooks:
    """Opens, feeds and closes the MLflow run."""

    run_id: str | None = None

    def __init__(self, stages: StageHooks) -> None:
        self._stages = stages
        self._sink: MlflowSink | None = None
        self._monitor: Any = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Learn the project's place, its parameters, and where its datasets stand."""
        self._project = Path(context.project_path)
        self._reporting = self._project / context.config_loader["globals"]["data"] / "08_reporting"
        self._parameters = context.config_loader["parameters"]
        entries = context.config_loader["catalog"]
        self._paths = {
            name: entry["filepath"]
            for name, entry in entries.items()
            if "filepath" in entry and not entry["type"].endswith("WorkFolderDataset")
        }
        self._open_runs = OpenRuns(self._reporting / "stages" / ".open_runs")

    @hook_impl(trylast=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Start the run, or continue the one that a killed process left open; log tags and parameters."""
        from mlflow.entities import Param

        self._run_stages = stages_of(pipeline)
        flat = {k: value for stage in self._run_stages for k, value in parameters_of(stage, self._parameters).items()}
        self._flat, self._inputs, self._questions = flat, set[str](), dict[str, str]()
        self._made: set[str] = set()
        tags = self._tags(run_params, pipeline)
        self._client, experiment = open_experiment(self._project)
        run_id = self._left_open(tags)
        if run_id is None:
            name = run_name(
                tags["soundmind.pipeline"], tags["soundmind.env"], flat, datetime.now(), tags["soundmind.dvc_exp"]
            )
            run_id = str(self._client.create_run(experiment, tags=tags, run_name=name).info.run_id)
            self._open_runs.open(run_id)
        else:
            self._made |= self._made_by(run_id)
        params = [Param(key, str(value)[:6000]) for key, value in flat.items()]
        for start in range(0, len(params), 100):  # the store's limit for one batch
            self._client.log_batch(run_id, params=params[start : start + 100])
        TrackingHooks.run_id = self._stages.run_id = run_id
        run = self._client.get_run(run_id)
        # A run that is continued has told its lineage already, maybe before any stage was there to inherit it from.
        self._stages.run_name, self._stages.lineage = run.info.run_name, run.data.tags["soundmind.lineage"]
        self._sink = LiveMetrics.sink = MlflowSink(self._client, run_id)
        with _not_fatal("the machine's load"):
            self._monitor = start_system_metrics(run_id, tracking_uri(self._project))

    def _tags(self, run_params: dict[str, Any], pipeline: Pipeline) -> dict[str, str]:
        """Tags that name the run's code, configuration and inputs, and the lineage of runs that build on each other."""
        stages = StageRecords(self._reporting / "stages")
        above = [stages.read(stage) for stage in stages_above(pipeline)]
        paths = [self._paths[name] for name in pipeline.inputs() if name in self._paths]
        return {
            "soundmind.pipeline": (run_params["pipeline_names"] or ["all"])[-1],
            "soundmind.stages": ",".join(self._run_stages),
            "soundmind.lineage": self._stages.lineage,
            "soundmind.parent_runs": parent_runs(record.run_id for record in above if record),
            "soundmind.env": str(run_params["env"] or "base"),
            "soundmind.git_dirty": str(git_is_dirty(self._project)).lower(),
            "soundmind.command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "soundmind.dvc_exp": os.environ.get("DVC_EXP_NAME", ""),
            "mlflow.source.git.commit": git_commit(self._project) or "",
            **configuration_tags(self._flat, dvc_hashes(self._project, paths)),
        }

    def _left_open(self, tags: dict[str, str]) -> str | None:
        """The run that a killed process left open, if this one does the same work; any other is ended as KILLED."""
        from mlflow.exceptions import MlflowException

        found = None
        for run_id in self._open_runs.left_open():
            try:
                left = self._client.get_run(run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                self._open_runs.end(run_id)  # the store was removed or exchanged meanwhile
                continue
            # A run that was deleted in the UI takes nothing any more.
            is_open = left.info.status == "RUNNING" and left.info.lifecycle_stage == "active"
            wanted = {key: str(value)[:6000] for key, value in self._flat.items()}
            same = left.data.tags.get("soundmind.pipeline") == tags["soundmind.pipeline"] and all(
                left.data.params.get(key, value) == value for key, value in wanted.items()
            )
            if is_open and same and found is None:
                logger.info("Continuing MLflow run %s.", left.info.run_name)
                found = run_id
                continue
            if is_open:
                end_children(self._client, run_id, "KILLED")
                self._client.set_terminated(run_id, "KILLED")
            self._open_runs.end(run_id)
        return found

    def _made_by(self, run_id: str) -> set[str]:
        """The datasets of complete stages that a run made before it was killed."""
        records = StageRecords(self._reporting / "stages")
        return {
            name
            for record in map(records.read, STAGES)
            if record
            for name, artifact in record.artifacts.items()
            if (origin := record.origins.get(artifact.origin)) and origin.run_id == run_id
        }

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any, node: Node) -> None:
        """Log which splits of a table the run reads, with their digests."""
        stage = stage_of(node)
        if self._sink is None or stage is None or not isinstance(data, pd.DataFrame) or "split" not in data:
            return
        if "user_content" in data and stage == "evaluation" and not self._questions:
            self._questions = dict(zip(data["uid"], data["user_content"], strict=True))
        contexts = split_contexts(stage, self._flat)
        fresh = {split: contexts[split] for split in contexts if f"{dataset_name} {split}" not in self._inputs}
        if not fresh:
            return
        self._inputs |= {f"{dataset_name} {split}" for split in fresh}
        with _not_fatal("the run's inputs"):
            inputs = dataset_inputs(dataset_name, data, self._paths.get(dataset_name, dataset_name), fresh)
            self._client.log_inputs(self.run_id, inputs)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Log the answers, problem by problem; note what there will be to attach."""
        if self._sink:
            self._made.add(dataset_name)
        if self._sink and self.run_id and dataset_name == "predictions":
            with _not_fatal("the table of answers"):
                log_evaluation_table(self._client, self.run_id, evaluation_table(data, self._questions))

    @hook_impl
    def after_node_run(self) -> None:
        """Write what the node left pending."""
        if self._sink:
            with _not_fatal("metrics, which wait,"):
                self._sink.flush()

    @hook_impl(trylast=True)
    def after_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Log the times of the run's stages and the files people compare, the summary's additions included; finish."""
        records = filter(None, map(StageRecords(self._reporting / "stages").read, STAGES))
        seconds = {record.stage: round(record.seconds, 2) for record in records if record.run_id == self.run_id}
        with _not_fatal("the end of the run, which the same command takes up again"):
            if self._sink:
                self._sink.log(0, {f"seconds/{stage}": value for stage, value in seconds.items()})
            self.close("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: BaseException) -> None:
        """End the run as FAILED, or KILLED when it was interrupted, and keep the reason where the UI shows it."""
        # A store that fails too (a full disk, a server that is gone) must not hide what went wrong first.
        with _not_fatal("the failure"):
            if self.run_id and self._sink:
                self._client.set_tag(self.run_id, "soundmind.error", str(error)[:500] or type(error).__name__)
            self.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")

    def close(self, status: str) -> None:
        """Flush, attach the reports that exist and set the run's final ``status``."""
        if self._sink is None or self.run_id is None:
            return
        if self._monitor is not None:
            self._monitor.finish()
        self._sink.flush()
        if status == "FINISHED":
            # Only what this run made: the report of an earlier run would pass for its own.
            for name in sorted(ARTIFACTS & self._made & self._paths.keys()):
                self._attach(self.run_id, self._project / self._paths[name])
        self._client.set_terminated(self.run_id, status)
        self._open_runs.end(self.run_id)
        self._sink, self._monitor, LiveMetrics.sink = None, None, NullSink()

    def _attach(self, run_id: str, path: Path) -> None:
        """Upload a file or folder to where it stands among the reports."""
        place = path.relative_to(self._reporting) if path.is_relative_to(self._reporting) else Path(path.name)
        if path.is_dir():
            self._client.log_artifacts(run_id, str(path), artifact_path=place.as_posix())
        else:
            folder = place.parent.as_posix()
            self._client.log_artifact(run_id, str(path), artifact_path=None if folder == "." else folder)


@contextmanager
def _not_fatal(what: str) -> Iterator[None]:
    """Turn whatever MLflow raises into a warning: the work itself is more than its record."""
    try:
        yield
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        logger.warning("MLflow could not be told of %s: %s", what, reason)

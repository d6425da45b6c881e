"""Writes each stage's record when its last node is done, announces stages as they start, and names what is stale."""

import logging
import time
import uuid
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from soundmind_pipeline.gitinfo import git_commit, git_is_dirty
from soundmind_pipeline.lineage.hashes import Hashes
from soundmind_pipeline.lineage.journal import Journal, agreed_recipe, tool_versions
from soundmind_pipeline.lineage.staleness import stage_changes, warnings_about
from soundmind_pipeline.recipes import stage_recipe
from soundmind_pipeline.runs.stage_locks import locked_stages
from soundmind_pipeline.session import StageRunner, parameters_of, stages_above, stages_of, whole_dag
from soundmind_pipeline.stages import STAGES, Artifact, Origin, StageRecord, StageRecords

logger = logging.getLogger("soundmind_pipeline")


def stage_of(node: Node) -> str | None:
    """The stage a node belongs to, by its tag."""
    return next((stage for stage in STAGES if stage in node.tags), None)


class StageHooks:
    """Keeps the stage records true."""

    run_id: str | None = None
    """The MLflow run that the stages belong to, once there is one."""
    run_name: str | None = None
    """Its name."""

    def __init__(self) -> None:
        self._locks = ExitStack()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Learn where the records stand and which parameters are in force."""
        folder = Path(context.project_path) / context.config_loader["globals"]["data"] / "08_reporting" / "stages"
        self.records = StageRecords(folder)
        # Of stages that are not complete: a slice that ends them must know where the other artifacts came from.
        self._unfinished = StageRecords(folder / ".unfinished")
        self._parameters: dict[str, Any] = context.config_loader["parameters"]
        self._env, self._project = str(context.env or "local"), Path(context.project_path)
        self._recipe = partial(stage_recipe, configuration=context.config_loader, project=self._project)
        self.hashes = Hashes(self._project, folder / ".hashes.json")
        self._journal = Journal(context.config_loader["catalog"], self.hashes)

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Work out which nodes complete which stage, and which lineage this run continues."""
        if run_params.get("only_missing_outputs"):
            pipeline = StageRunner().missing_part(pipeline, catalog)
        locks = locked_stages(self.records.folder / ".locks", stages_of(pipeline), stages_above(pipeline))
        self._locks.enter_context(locks)
        self._remaining: dict[str, set[str]] = {}
        self._partial: set[str] = set()
        self._started: dict[str, float] = {}
        dag = whole_dag()
        self._saved: dict[str, set[str]] = {}
        self._announced: set[str] = set()
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._artifacts: dict[str, dict[str, Artifact]] = {stage: {} for stage in STAGES}
        self._origins: dict[str, dict[str, Origin]] = {stage: {} for stage in STAGES}
        self._recipes = {stage: self._recipe(stage, dag.only_nodes_with_tags(stage)) for stage in stages_of(pipeline)}
        for stage in stages_of(pipeline):
            self._remaining[stage] = {node.name for node in pipeline.nodes if stage in node.tags}
            whole = {node.name for node in dag.nodes if stage in node.tags}
            if self._remaining[stage] != whole:
                self._partial.add(stage)
        self._began = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self._commit, self._dirty, self._tools = (
            git_commit(self._project), git_is_dirty(self._project), tool_versions(),
        )  # fmt: skip
        self._name_what_is_stale(pipeline)
        above = [self.records.read(stage) for stage in stages_above(pipeline)]
        inherited = next((record.lineage for record in reversed(above) if record and record.lineage), None)
        self.lineage = inherited or f"{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}"

    @property
    def begun(self) -> frozenset[str]:
        """The stages that this run did anything for."""
        return frozenset(self._announced)

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Let other runs at the stages."""
        self._locks.close()

    @hook_impl(trylast=True)
    def on_pipeline_error(self) -> None:
        """Let other runs at the stages."""
        self._locks.close()

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """Start the node's clock with its first input; announce the stage with its first node."""
        self._start(node)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        """Note what the node reads."""
        self._journal.loaded(node.name, dataset_name)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the clock of a node without inputs."""
        self._start(node)

    @hook_impl
    def after_node_run(self, node: Node, catalog: CatalogProtocol) -> None:
        """Finish a node without outputs."""
        self._catalog = catalog
        if not node.outputs:
            self._finish(node)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Note where the output came from; finish a node with its last one: lazy outputs are made while saved."""
        if stage := stage_of(node):
            self._artifacts[stage][dataset_name] = self._journal.saved(
                node.name, dataset_name, node.inputs, self._began
            )
        saved = self._saved.setdefault(node.name, set())
        saved.add(dataset_name)
        if saved == set(node.outputs):
            self._finish(node)

    def _start(self, node: Node) -> None:
        stage = stage_of(node)
        if stage is None or node.name in self._started:
            return
        self._started[node.name] = time.perf_counter()
        if stage not in self._announced:
            if stage in self._partial and (kept := self.records.read(stage) or self._unfinished.read(stage)):
                self._artifacts[stage], self._origins[stage] = dict(kept.artifacts), dict(kept.origins)
            self._origins[stage][self._began] = self._origin(stage)
            self._unfinished.write(self._record(stage))
            # First of all: whatever interrupts the stage from here on, it must not count as complete.
            self.records.remove(stage)
            self._announced.add(stage)
            logger.info("── %s", stage)

    def _finish(self, node: Node) -> None:
        """Add up the stage's time; write its record after the last node."""
        stage = stage_of(node)
        if stage is None:
            return
        self._seconds[stage] += time.perf_counter() - self._started[node.name]
        self._remaining[stage].discard(node.name)
        record = self._record(stage)
        if self._remaining[stage] or (stage in self._partial and not self._all_outputs_exist(stage, self._catalog)):
            self._unfinished.write(record)
            return
        self.hashes.keep()
        self.records.write(record)
        self._unfinished.remove(stage)
        logger.info("── %s done in %.1f s", stage, self._seconds[stage])

    def _record(self, stage: str) -> StageRecord:
        artifacts = self._artifacts[stage]
        used = {artifact.origin for artifact in artifacts.values()} | {self._began}
        origins = {key: origin for key, origin in self._origins[stage].items() if key in used}
        return StageRecord(
            stage=stage,
            seconds=self._seconds[stage],
            parameters=parameters_of(stage, self._parameters),
            lineage=self.lineage,
            finished=datetime.now().astimezone().isoformat(timespec="seconds"),
            git_commit=self._commit,
            run_id=self.run_id,
            recipe=agreed_recipe(origins.values()),
            artifacts=artifacts,
            origins=origins,
        )

    def _origin(self, stage: str) -> Origin:
        return Origin(
            env=self._env,
            began=self._began,
            git_commit=self._commit,
            git_dirty=self._dirty,
            recipe=self._recipes[stage],
            tools=self._tools,
            run_id=self.run_id,
            run_name=self.run_name,
        )

    def _name_what_is_stale(self, pipeline: Pipeline) -> None:
        """Warn about what the run reads and does not make, where it would be made otherwise today."""
        dag = whole_dag()
        given = pipeline.inputs() & dag.all_outputs()
        reused = dag.to_outputs(*given) - pipeline if given else Pipeline([])
        read = {name for node in [*reused.nodes, *pipeline.nodes] for name in node.inputs}
        changes = []
        for stage in stages_of(reused):
            record = self.records.read(stage)
            if record is None:
                continue
            used = {name: record.artifacts[name] for name in record.artifacts.keys() & reused.all_outputs() & read}
            recipe = self._recipe(stage, dag.only_nodes_with_tags(stage))
            parameters = parameters_of(stage, self._parameters)
            changes.append(stage_changes(replace(record, artifacts=used), recipe, parameters, self.hashes))
        self.hashes.keep()
        for warning in warnings_about(changes):
            logger.warning("%s", warning)

    @staticmethod
    def _all_outputs_exist(stage: str, catalog: CatalogProtocol) -> bool:
        outputs = whole_dag().only_nodes_with_tags(stage).all_outputs()
        return all(catalog.exists(name) for name in outputs if name in catalog)

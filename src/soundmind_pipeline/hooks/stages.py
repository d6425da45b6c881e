"""Writes each stage's record when its last node is done, and announces stages as they start."""

import logging
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from soundmind_pipeline.gitinfo import git_commit
from soundmind_pipeline.session import parameters_of, stages_above, stages_of
from soundmind_pipeline.stages import STAGES, StageRecord, StageRecords

logger = logging.getLogger("soundmind_pipeline")


def stage_of(node: Node) -> str | None:
    """The stage a node belongs to, by its tag."""
    return next((stage for stage in STAGES if stage in node.tags), None)


class StageHooks:
    """Keeps the stage records true."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Learn where the records stand and which parameters are in force."""
        folder = Path(context.project_path) / context.config_loader["globals"]["data"] / "08_reporting" / "stages"
        self.records = StageRecords(folder)
        self._parameters: dict[str, Any] = context.config_loader["parameters"]
        self._commit = git_commit(context.project_path)

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Work out which nodes complete which stage, and which lineage this run continues."""
        from kedro.framework.project import pipelines

        self._remaining: dict[str, set[str]] = {}
        self._partial: set[str] = set()
        self._started: dict[str, float] = {}
        self._saved: dict[str, set[str]] = {}
        self._announced: set[str] = set()
        self._seconds = dict.fromkeys(STAGES, 0.0)
        for stage in stages_of(pipeline):
            self._remaining[stage] = {node.name for node in pipeline.nodes if stage in node.tags}
            whole = {node.name for node in pipelines["__default__"].nodes if stage in node.tags}
            if self._remaining[stage] != whole:
                self._partial.add(stage)
        above = [self.records.read(stage) for stage in stages_above(pipeline)]
        inherited = next((record.lineage for record in reversed(above) if record and record.lineage), None)
        self.lineage = inherited or f"{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}"

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """Start the node's clock with its first input; announce the stage with its first node."""
        self._start(node)

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
        """Finish a node with its last output: lazy outputs are made while they are saved."""
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
        if self._remaining[stage] or (stage in self._partial and not self._all_outputs_exist(stage, self._catalog)):
            return
        self.records.write(
            StageRecord(
                stage=stage,
                seconds=self._seconds[stage],
                parameters=parameters_of(stage, self._parameters),
                lineage=self.lineage,
                finished=datetime.now().astimezone().isoformat(timespec="seconds"),
                git_commit=self._commit,
            )
        )
        logger.info("── %s done in %.1f s", stage, self._seconds[stage])

    @staticmethod
    def _all_outputs_exist(stage: str, catalog: CatalogProtocol) -> bool:
        from kedro.framework.project import pipelines

        outputs = pipelines["__default__"].only_nodes_with_tags(stage).all_outputs()
        return all(catalog.exists(name) for name in outputs if name in catalog)

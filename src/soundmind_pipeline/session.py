"""The Kedro session of this project: checks parameters first, builds what is missing upstream, fails in one message."""

import logging
from collections.abc import Iterable
from typing import Any

from kedro.framework.project import LOGGING, pipelines
from kedro.framework.session import KedroSession
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from soundmind_pipeline.pipelines.parameters import BLOCKS, validate_parameters
from soundmind_pipeline.stages import STAGES, StageRecords, flatten

logger = logging.getLogger("soundmind_pipeline")


def stages_of(pipeline: Pipeline) -> list[str]:
    """The stages that nodes of ``pipeline`` belong to, in the order of the DAG."""
    present = {tag for node in pipeline.nodes for tag in node.tags}
    return [stage for stage in STAGES if stage in present]


def whole_dag() -> Pipeline:
    """Every stage's nodes; ``__default__`` leaves out what runs only when it is asked for."""
    return sum(pipelines.values(), Pipeline([]))


def upstream_stages(names: Iterable[str]) -> list[str]:
    """The stages that must be complete before the pipelines ``names`` can run, in the order of the DAG."""
    return stages_above(sum((pipelines[name] for name in names), Pipeline([])))


def stages_above(wanted: Pipeline) -> list[str]:
    """The stages whose results ``wanted`` rests on, its own excluded, in the order of the DAG."""
    dag = whole_dag()
    producers = {output: stage for stage in STAGES for output in dag.only_nodes_with_tags(stage).all_outputs()}
    own = set(stages_of(wanted))
    needed: set[str] = set()
    open_inputs = set(wanted.inputs())
    while open_inputs:
        stage = producers.get(open_inputs.pop())
        if stage and stage not in own | needed:
            needed.add(stage)
            open_inputs |= set(dag.only_nodes_with_tags(stage).inputs())
    return [stage for stage in STAGES if stage in needed]


def parameters_of(stage: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Every parameter of the stage's own block, defaults filled in, flattened to dotted keys."""
    block = BLOCKS[stage].model_validate(parameters.get(stage, {})).model_dump(mode="json")
    return flatten({stage: block})


class StageRunner(SequentialRunner):
    """Runs one stage after the other, where Kedro's own order would interleave them."""

    @property
    def _logger(self) -> logging.Logger:
        return logging.getLogger("kedro.runner")

    def missing_part(self, pipeline: Pipeline, catalog: CatalogProtocol) -> Pipeline:
        """The nodes that ``kedro run --only-missing-outputs`` runs."""
        return self._filter_pipeline_for_missing_outputs(pipeline, catalog)

    def _run(self, pipeline: Pipeline, *args: Any, **kwargs: Any) -> None:
        for stage in stages_of(pipeline):
            super()._run(pipeline.only_nodes_with_tags(stage), *args, **kwargs)


# What each dataset loads and saves is the catalog's business; people watch stages, warnings and progress bars.
CONSOLE_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "console": {
            "class": "kedro.logging.RichHandler",
            "show_path": False,
            "log_time_format": "%H:%M:%S",
            "omit_repeated_times": False,
        }
    },
    "loggers": {
        "kedro": {"level": "ERROR"},
        "kedro.pipeline.node": {"level": "CRITICAL"},  # the error is shown once, by the command
        "great_expectations": {"level": "WARNING"},
        "soundmind_pipeline": {"level": "INFO"},
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
}


class SoundmindSession(KedroSession):
    """A session that knows the stages."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        LOGGING.configure(CONSOLE_LOGGING)

    def run(  # type: ignore[override]
        self, pipeline_name: str | None = None, pipeline_names: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Run pipelines; stages they need are run first when missing, reused (with a warning when stale) when there.

        Slices (``tags``, ``from_nodes``, …) run as asked, without anything added.

        Raises:
            SoundmindError: A parameter is unknown or of the wrong type, or a stage cannot be built.
        """
        if pipeline_name:
            pipeline_names = [pipeline_name]
        if type(kwargs.get("runner")) in (type(None), SequentialRunner):
            kwargs["runner"] = StageRunner()
        loader = self._get_config_loader()
        validate_parameters(loader["parameters"])
        sliced = any(value for key, value in kwargs.items() if key not in ("runner", "load_versions"))
        names = list(pipeline_names or [])
        if names and not sliced and all(name in pipelines for name in names):
            records = StageRecords(self._project_path / loader["globals"]["data"] / "08_reporting" / "stages")
            names = [*self._missing_upstream(names, records), *names]
        try:
            return super().run(pipeline_names=names or None, **kwargs)
        except BaseException as error:
            # Kedro tells its hooks of exceptions in nodes alone; a run that was interrupted, or failed in a hook after
            # its last node, must not look as if it still ran.
            self._hook_manager.hook.on_pipeline_error(error=error, run_params={}, pipeline=None, catalog=None)
            raise

    @staticmethod
    def _missing_upstream(names: list[str], records: StageRecords) -> list[str]:
        """The upstream stages to build; what is stale of those that are reused, the stages' hook says."""
        missing: list[str] = []
        for stage in upstream_stages(names):
            # A stage below one that is rebuilt would rest on data that no longer exist.
            if records.read(stage) is None or missing:
                missing.append(stage)
        if missing:
            logger.info("Missing upstream, built first: %s.", ", ".join(missing))
        return missing

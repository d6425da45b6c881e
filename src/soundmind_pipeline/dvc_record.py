"""Tells DVC of what ``kedro run`` has built, so that ``dvc repro`` does not build it again.

DVC would take any files for a stage's outputs (``dvc commit --force``); here they must be what the stage makes with the
code and configuration of this moment. Kedro's own runs do not do this themselves: most are trials that nobody wants to
keep, and hashing and caching a 7B policy takes minutes.
"""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from kedro.pipeline import Pipeline

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.lineage.hashes import Hashes
from soundmind_pipeline.lineage.staleness import file_changes
from soundmind_pipeline.recipes import stage_recipe
from soundmind_pipeline.session import parameters_of, stages_above
from soundmind_pipeline.stages import DAG_STAGES, StageRecord, StageRecords, changed_parameters

NOT_BUILT: Final = "is not complete"
"""The reason of a stage that has no record: nothing is wrong with it, it has not been run to its end."""


def record_stages(project: Path, dag: Pipeline, configuration: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Write the stages that are up to date but unknown to DVC into ``dvc.lock`` and DVC's cache.

    Args:
        project: The project folder.
        dag: The nodes of all stages.
        configuration: Kedro's configuration loader for the base environment.

    Returns:
        The stages that were written; and the stages that were not, each with the reason. Stages that DVC knows to be up
        to date are in neither.

    Raises:
        SoundmindError: There is no DVC project in a git repository here.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    # DVC names stages relative to the current folder.
    with contextlib.chdir(project):
        try:
            with Repo(str(project)) as repo:
                status = repo.status()
                unknown = [stage for stage in DAG_STAGES if stage in status]
                refused = refusals(unknown, project, dag, configuration)
                recorded = [stage for stage in unknown if stage not in refused]
                for stage in recorded:
                    repo.commit(stage, force=True)
        except DvcException as error:
            raise SoundmindError(
                f"DVC cannot work here: {error}", hint="It wants a git checkout; in a plain copy, run: git init"
            ) from error
    return recorded, refused


def refusals(stages: Iterable[str], project: Path, dag: Pipeline, configuration: Mapping[str, Any]) -> dict[str, str]:
    """Why each of ``stages`` that is not what it would be today must be built again.

    Args:
        stages: Names of stages, in the order of the DAG.
        project: The project folder.
        dag: The nodes of all stages.
        configuration: Kedro's configuration loader for the base environment.
    """
    records = StageRecords(project / configuration["globals"]["data"] / "08_reporting" / "stages")
    hashes = Hashes(project, records.folder / ".hashes.json")
    refused: dict[str, str] = {}
    for stage in stages:
        nodes = dag.only_nodes_with_tags(stage)
        above = stages_above(nodes)
        record = records.read(stage)
        if record is None:
            refused[stage] = NOT_BUILT
        elif below := [upstream for upstream in above if upstream in refused]:
            refused[stage] = f"rests on {below[-1]}"
        elif reason := _difference(record, stage_recipe(stage, nodes, configuration, project), configuration):
            refused[stage] = reason
        elif phrases := file_changes(record.artifacts.values(), hashes):
            refused[stage] = f"is stale: {next(iter(phrases.values()))}"
    return refused


def _difference(record: StageRecord, now: Mapping[str, str], configuration: Mapping[str, Any]) -> str | None:
    """How the stage would be made today, where that is not how it was made."""
    if not record.recipe:
        return "was built before records told what a stage is made with"
    different = [what for what, digest in now.items() if record.recipe.get(what) != digest]
    if not different:
        return None
    current = parameters_of(record.stage, configuration["parameters"])
    values = [f"{key}={then} (conf/base: {value})" for key, then, value in changed_parameters(record, current)]
    if values:
        return f"was built with {', '.join(values)}"
    return f"was built with other {' and '.join(different)}"

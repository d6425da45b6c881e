"""``soundmind report``: the evaluation's numbers, tables, figures and report again, from the saved predictions."""

import contextlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soundmind_pipeline.commands.project import find_project, load_configuration
from soundmind_pipeline.errors import SoundmindError

if TYPE_CHECKING:
    import pandas as pd
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

    from soundmind_pipeline.stages import StageRecords
    from soundmind_pipeline.training.params import RlParams

PREDICTIONS = ("predictions", "sampled_predictions")


@click.command()
@click.option("--env", default="local", show_default=True, help="Environment of conf/ whose run is reported.")
@click.option(
    "--predictions",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another predictions.parquet of the same problems; needs --out.  [default: the environment's]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to.  [default: the environment's 08_reporting, whose files are replaced]",
)
def report(env: str, predictions: Path | None, out: Path | None) -> None:
    """Mark saved answers again and rewrite evaluation.json, metrics.json, tables, figures and the report.

    No policy is loaded: marking needs the answers, the feature index and the tokenizer. With the parameters of the run
    the numbers are those of the run; with another rl.reward, evaluation.bootstrap_samples or compare_with they are what
    it would have given, and without --out the tables of answers get the new marks too. Keys that decide on the answers
    themselves change nothing.
    """
    if predictions and not out:
        hint = "Without --out the environment's own report would be replaced by that of other answers."
        raise SoundmindError("--predictions needs --out.", hint=hint)
    project = find_project()
    folder = out.absolute() if out else None
    answers = predictions.absolute() if predictions else None
    with contextlib.chdir(project):  # tables name clips relative to the project
        marked, changed, places = run(env, answers, folder)
    click.echo(f"{marked:,} answers marked again, {changed:,} with another reward than before.")
    for place in places:
        click.echo(f"→ {place.relative_to(project) if place.is_relative_to(project) else place}")


def run(env: str, predictions: Path | None, out: Path | None) -> tuple[int, int, list[Path]]:
    """Run the nodes below the predictions; the current folder is the project.

    Args:
        env: Environment of conf/.
        predictions: Another table of predictions, or None.
        out: Another folder of results, or None.

    Returns:
        Number of answers, number of those whose reward changed, and what was written: without ``out`` also the tables
        of answers whose marks changed, so that they never contradict the results beside them.

    Raises:
        SoundmindError: The environment has not been evaluated, or the answers are of other problems.
    """
    from kedro.io import DataCatalog, MemoryDataset
    from kedro.runner import SequentialRunner

    from soundmind_pipeline.evaluation.results_file import complete_results
    from soundmind_pipeline.pipelines.evaluation import create_pipeline
    from soundmind_pipeline.stages import StageRecords

    loader = load_configuration(Path.cwd(), env)
    pipeline = create_pipeline().from_inputs(*PREDICTIONS)
    reporting = Path.cwd() / loader["globals"]["data"] / "08_reporting"
    entries = _entries(loader["catalog"], pipeline, reporting, out)
    catalog, rl = _catalog(entries, loader["parameters"])
    if predictions is not None:
        catalog["answers_origin"] = MemoryDataset(None)  # nobody knows which run gave them
    marked, changed = 0, 0
    remarked: dict[str, pd.DataFrame] = {}
    for name, table in _answers(entries, predictions).items():
        catalog[name] = again = _mark_again(table, catalog, rl)
        marked += len(table)
        # Answers that no scorer marks, a classifier's, have no reward.
        changed += int((again["reward"].fillna(0) != table["reward"].fillna(0)).sum()) if len(table) else 0
        if out is None and not again.equals(table):
            remarked[name] = again
    SequentialRunner().run(pipeline, catalog)
    records = StageRecords(reporting / "stages")
    complete_results(Path(entries["evaluation_results"]["filepath"]), records.seconds())
    tables = DataCatalog.from_config({name: entries[name] for name in remarked})
    for name, table in remarked.items():
        tables.save(name, table)
    written = pipeline.all_outputs() | set(remarked)
    if out is None:
        _note(records, written, env, loader)
    return marked, changed, [Path(entries[name]["filepath"]) for name in sorted(written)]


def _note(records: "StageRecords", datasets: set[str], env: str, configuration: Any) -> None:
    """Have the stage's record tell that its results were rewritten, when and with which code."""
    from kedro.framework.project import configure_project

    from soundmind_pipeline.gitinfo import git_commit, git_is_dirty
    from soundmind_pipeline.lineage.hashes import Hashes
    from soundmind_pipeline.lineage.journal import remake, tool_versions
    from soundmind_pipeline.recipes import stage_recipe
    from soundmind_pipeline.session import whole_dag
    from soundmind_pipeline.stages import Origin

    configure_project("soundmind_pipeline")
    project = Path.cwd()
    origin = Origin(
        env=env,
        began=datetime.now().astimezone().isoformat(timespec="milliseconds"),
        git_commit=git_commit(project),
        git_dirty=git_is_dirty(project),
        recipe=stage_recipe("evaluation", whole_dag().only_nodes_with_tags("evaluation"), configuration, project),
        tools=tool_versions(),
        run_name="soundmind report",
    )
    remake(records, "evaluation", datasets, origin, Hashes(project, records.folder / ".hashes.json"))


def _catalog(entries: dict[str, dict[str, Any]], parameters: dict[str, Any]) -> "tuple[DataCatalog, RlParams]":
    """What the nodes read and write, but for the answers; and how RL was rewarded."""
    from kedro.io import DataCatalog

    from soundmind_pipeline.pipelines.parameters import BLOCKS, validate_parameters
    from soundmind_pipeline.training.params import RlParams

    blocks = validate_parameters(parameters)
    catalog = DataCatalog.from_config({name: entry for name, entry in entries.items() if name not in PREDICTIONS})
    for name in ("sft", "rl", "evaluation"):
        catalog[f"params:{name}"] = BLOCKS[name].model_validate(blocks.get(name, {}))
    return catalog, RlParams.model_validate(blocks.get("rl", {}))


def _entries(
    configured: dict[str, Any], pipeline: "Pipeline", reporting: Path, out: Path | None
) -> dict[str, dict[str, Any]]:
    """Catalog entries of what the nodes read and write, with whole paths; results go to ``out`` if there is one."""
    wanted = pipeline.datasets() | {"processor"}
    entries = {name: dict(entry) for name, entry in configured.items() if name in wanted}
    for name, entry in entries.items():
        if "filepath" not in entry:
            continue  # what is no file: the origin of the answers
        path = Path.cwd() / entry["filepath"]
        moved = out is not None and name in pipeline.all_outputs()
        entry["filepath"] = str(out / path.relative_to(reporting) if out and moved else path)
    return entries


def _answers(entries: dict[str, dict[str, Any]], predictions: Path | None) -> "dict[str, pd.DataFrame]":
    """The environment's tables of answers; or ``predictions`` and, if it lies beside it, its sampled table."""
    import pandas as pd
    from kedro.io import DataCatalog

    places = {name: entries[name] for name in PREDICTIONS}
    if predictions is not None:
        beside = predictions.with_name("sampled_predictions.parquet")
        places = {
            name: places[name] | {"filepath": str(path)}
            for name, path in zip(places, (predictions, beside), strict=True)
        }
    saved = DataCatalog.from_config(places)
    if predictions is not None and not saved.exists("sampled_predictions"):
        return {"predictions": saved.load("predictions"), "sampled_predictions": pd.DataFrame()}
    return {name: saved.load(name) for name in PREDICTIONS}


def _mark_again(table: "pd.DataFrame", catalog: "DataCatalog", rl: "RlParams") -> "pd.DataFrame":
    """What the scorer makes of the answers now."""
    from soundmind_pipeline.evaluation.predict import scorer_with
    from soundmind_pipeline.evaluation.rescoring import rescore
    from soundmind_pipeline.policy.processor import load_processor

    if table.empty:
        return table
    scorer = scorer_with(load_processor(catalog.load("processor").path), rl.reward)
    return rescore(table, catalog.load("feature_index"), scorer)

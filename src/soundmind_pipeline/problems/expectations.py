"""The Great Expectations suite of the manifest.

Two severities: a *critical* expectation that fails stops the pipeline (:func:`require_critical`), a *warning* is
reported. Expectations look at one column or compare two, so facts about several columns or rows (does a leak group
stand in two splits? does the label agree with the verdict?) are first derived as columns of their own, named
``derived_…``.

Great Expectations skips nulls, so every column that must be filled has a not-null expectation of its own. The package
takes seconds to import and is imported inside the functions that need it.
"""

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from pydantic import Field

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.params import Params
from soundmind_pipeline.problems.schema import (
    CLAIM_KINDS,
    ID_PATTERN,
    SAMPLE_COLUMNS,
    SHA256_PATTERN,
    SPLITS,
    TEXT_COLUMNS,
    VERDICTS,
)

if TYPE_CHECKING:
    from great_expectations import Checkpoint
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.expectations import Expectation

logger = logging.getLogger(__name__)

SUITE_NAME: Final = "manifest"
FILLED_COLUMNS: Final = (
    *(name for name in TEXT_COLUMNS if name != "source_label"),
    "question_audio",
    "question_sha256",
    "question_seconds",
)
"""Columns without nulls: the source label is optional, and so is spoken output."""

AUDIO_PATH_PATTERN: Final = r"^(?!/)(?!.*\\)(?!(?:.*/)?\.\.(?:/|$)).+\.[A-Za-z0-9]+$"
"""A POSIX path that stays inside the project."""

_SHOWN_IDS: Final = 5


class ExpectationParams(Params):
    """What the manifest is held against."""

    min_seconds: float = Field(default=0.3, gt=0)
    """Shortest spoken question, in seconds."""

    max_seconds: float = Field(default=30.0, gt=0)
    """Longest spoken question, in seconds."""

    min_words_per_second: float = Field(default=1.0, gt=0)
    """Slowest plausible speech: below it, sound and text do not belong together."""

    max_words_per_second: float = Field(default=8.0, gt=0)
    """Fastest plausible speech."""

    min_entailed: float = Field(default=0.35, ge=0, le=1)
    """Lowest share of entailed problems in a split."""

    max_entailed: float = Field(default=0.65, ge=0, le=1)
    """Highest share of entailed problems in a split."""


def with_derived_columns(manifest: pd.DataFrame) -> pd.DataFrame:
    """A copy of ``manifest`` with the facts that span columns or rows; columns that are absent yield none."""
    frame = manifest.copy()
    columns = set(frame.columns)
    if {"split", "id"} <= columns:
        frame["derived_uid"] = frame["split"] + "/" + frame["id"]
    if {"label", "reference_verdict"} <= columns:
        frame["derived_label_conflict"] = (frame["reference_verdict"] == "entailed") != (frame["label"] == 1)
    if "reference_answer" in columns:
        stated = frame["reference_answer"].str.extract(r"(?s).*</think>\s*Answer: (entailed|not entailed)\.?\s*$")[0]
        frame["derived_stated_verdict"] = stated.fillna("none")
    if {"leak_group", "split"} <= columns:
        frame["derived_splits_of_leak_group"] = frame.groupby("leak_group")["split"].transform("nunique")
    if {"user_content", "question_seconds"} <= columns:
        words = frame["user_content"].str.count(r"\S+")
        frame["derived_words_per_second"] = words / frame["question_seconds"]
    return frame


def build_expectations(params: ExpectationParams) -> "list[Expectation]":
    """The suite's expectations, on a manifest with its derived columns."""
    from great_expectations import expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    values, pairs = gxe.ExpectColumnValuesToBeInSet, gxe.ExpectColumnPairValuesToBeEqual
    pattern, between = gxe.ExpectColumnValuesToMatchRegex, gxe.ExpectColumnValuesToBeBetween
    derived = ("uid", "label_conflict", "stated_verdict", "splits_of_leak_group", "words_per_second")
    return [
        gxe.ExpectTableColumnsToMatchSet(column_set=[*SAMPLE_COLUMNS, *(f"derived_{name}" for name in derived)]),
        *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in FILLED_COLUMNS),
        gxe.ExpectColumnDistinctValuesToEqualSet(column="split", value_set=list(SPLITS)),
        pattern(column="id", regex=f"^{ID_PATTERN}$"),
        gxe.ExpectColumnValuesToBeUnique(column="uid"),
        pairs(column_A="uid", column_B="derived_uid"),
        values(column="label", value_set=[0, 1]),
        values(column="reference_verdict", value_set=list(VERDICTS)),
        values(column="claim_kind", value_set=list(CLAIM_KINDS)),
        pairs(column_A="label_conflict", column_B="derived_label_conflict"),
        pairs(column_A="reference_verdict", column_B="derived_stated_verdict"),
        values(column="derived_splits_of_leak_group", value_set=[1]),
        pattern(column="question_audio", regex=AUDIO_PATH_PATTERN),
        gxe.ExpectColumnValuesToBeUnique(column="question_audio"),
        pattern(column="question_sha256", regex=f"^{SHA256_PATTERN}$"),
        gxe.ExpectColumnValuesToBeUnique(column="question_sha256", severity="warning"),
        gxe.ExpectColumnValuesToBeUnique(column="user_content", severity="warning"),
        between(column="question_seconds", min_value=params.min_seconds, max_value=params.max_seconds),
        between(
            column="derived_words_per_second",
            min_value=params.min_words_per_second,
            max_value=params.max_words_per_second,
        ),
        *(
            gxe.ExpectColumnMeanToBeBetween(
                column="label",
                min_value=params.min_entailed,
                max_value=params.max_entailed,
                row_condition=Column("split") == split,
            )
            for split in SPLITS
        ),
    ]


def validate_manifest(manifest: pd.DataFrame, params: ExpectationParams) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Hold ``manifest`` against the suite.

    Args:
        manifest: Rows of the sample table.
        params: Bounds.

    Returns:
        The outcome (``success``: whether every critical expectation holds; ``rows``; ``expectations``: for each its
        ``name``, ``column``, ``severity``, ``success``, ``count`` of failing rows, ``first_uids`` and ``observed``),
        and the Data Docs site as file names and their bytes; it opens at ``index.html``.
    """
    import great_expectations as gx

    # This one module sets its own level, and tells of every temporary folder.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    with tempfile.TemporaryDirectory() as site:
        checkpoint = _checkpoint(context, build_expectations(params), Path(site))
        outcome = checkpoint.run({"dataframe": with_derived_columns(manifest)})
        files = {
            file.relative_to(site).as_posix(): file.read_bytes() for file in Path(site).rglob("*") if file.is_file()
        }
    results = [_outcome_of(result) for run in outcome.run_results.values() for result in run.results]
    # The suite runs in an order of its own; failures first, then by name, reads better and stays the same.
    results.sort(key=lambda result: (result["success"], result["name"], result["column"]))
    success = all(result["success"] for result in results if result["severity"] == "critical")
    return {"success": success, "rows": len(manifest), "expectations": results}, files


def _checkpoint(context: "EphemeralDataContext", expectations: "list[Expectation]", site: Path) -> "Checkpoint":
    """A checkpoint over one dataframe that renders Data Docs into ``site``."""
    import great_expectations as gx
    from great_expectations.checkpoint import UpdateDataDocsAction

    for name in list(context.get_site_names()):
        context.delete_data_docs_site(name)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site)}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    context.add_data_docs_site(
        "manifest", {"class_name": "SiteBuilder", "site_index_builder": index, "store_backend": store}
    )
    asset = context.data_sources.add_pandas("soundmind").add_dataframe_asset(SUITE_NAME)
    batch = asset.add_batch_definition_whole_dataframe("all rows")
    suite = context.suites.add(gx.ExpectationSuite(SUITE_NAME, expectations=expectations))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=SUITE_NAME, data=batch, suite=suite))
    checkpoint = gx.Checkpoint(
        name=SUITE_NAME,
        validation_definitions=[definition],
        actions=[UpdateDataDocsAction(name="data docs", site_names=["manifest"])],
        result_format={"result_format": "SUMMARY", "unexpected_index_column_names": ["uid"]},
    )
    return context.checkpoints.add(checkpoint)


def _outcome_of(result: Any) -> dict[str, Any]:
    """One expectation's result in plain types."""
    config, details = result.expectation_config, result.result
    arguments = config.kwargs
    column = arguments.get("column") or " = ".join(
        arguments[key] for key in ("column_A", "column_B") if key in arguments
    )
    if condition := arguments.get("row_condition"):
        column += f" where {condition['column']['name']} is {condition['parameter']}"
    first = [str(row.get("uid")) for row in details.get("partial_unexpected_index_list") or []]
    observed = details.get("details", {}).get("mismatched") or details.get("observed_value")
    return {
        "name": config.type,
        "column": column,
        "severity": str(config.severity.value),
        "success": bool(result.success),
        "count": int(details.get("unexpected_count") or 0),
        "first_uids": first[:_SHOWN_IDS],
        "observed": _exception(result.exception_info) or (None if observed is None else str(observed)),
    }


def _exception(info: dict[str, Any]) -> str | None:
    """The message of the exception an expectation ended in, if it did (one dict, or one a metric)."""
    entries = [info] if "raised_exception" in info else [entry for entry in info.values() if isinstance(entry, dict)]
    return next((str(entry["exception_message"]) for entry in entries if entry.get("raised_exception")), None)


def require_critical(outcome: dict[str, Any]) -> None:
    """Log the warnings of an outcome of :func:`validate_manifest` and stop at critical failures.

    Args:
        outcome: The outcome.

    Raises:
        SoundmindError: A critical expectation failed; names each, with its count and first uids.
    """
    failed = [result for result in outcome["expectations"] if not result["success"]]
    critical = [_sentence(result) for result in failed if result["severity"] == "critical"]
    for result in failed:
        if result["severity"] != "critical":
            logger.warning("The manifest is unusual: %s", _sentence(result))
    if critical:
        listed = "\n".join(f"  {sentence}" for sentence in critical)
        raise SoundmindError(
            f"The manifest fails its expectations:\n{listed}",
            hint="Open index.html of the Data Docs in data/08_reporting/data_docs.",
        )


def _sentence(result: dict[str, Any]) -> str:
    place = f"({result['column']})" if result["column"] else ""
    if result["count"]:
        return f"{result['name']}{place}: {result['count']} rows, first {', '.join(result['first_uids'])}"
    return f"{result['name']}{place}: found {result['observed']}"

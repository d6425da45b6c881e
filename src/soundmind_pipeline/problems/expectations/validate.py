"""Holding a manifest against its suites with Great Expectations.

The package takes seconds to import and is imported inside the functions that need it.
"""

import datetime
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.expectations.derived import with_derived_columns, with_own_types
from soundmind_pipeline.problems.expectations.params import ExpectationParams
from soundmind_pipeline.problems.expectations.suites import Traits, manifest_expectations, split_expectations

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, RunIdentifier
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.expectations import Expectation

logger = logging.getLogger(__name__)

WHOLE: Final = "manifest"
"""The suite of the manifest as a whole; the others are called after their splits."""

_SITE: Final = "data_docs"
_SHOWN_IDS: Final = 5


def validate_manifest(manifest: pd.DataFrame, params: ExpectationParams) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Hold ``manifest`` against the suites.

    Args:
        manifest: Rows of the sample table; without a single audio column, those of a table that is not spoken yet.
        params: Bounds and severities.

    Returns:
        The outcome (``success``: whether every critical expectation holds; ``rows``; ``splits``: rows by split;
        ``expectations``: for each its ``split`` (or ``manifest``), ``name``, ``column``, ``severity``, ``success``,
        ``count`` of failing rows, ``first_uids``, ``expected`` and ``observed``), and the Data Docs site as file names
        and their bytes; it opens at ``index.html``.

    Raises:
        SoundmindError: A column of texts or of measures holds something else.
    """
    from great_expectations.core import RunIdentifier

    manifest = with_own_types(manifest)
    traits, frame = Traits.of(manifest), with_derived_columns(manifest)
    rows_by_split = frame["split"].value_counts().to_dict() if "split" in frame else {}
    present = [split for split in params.splits if split in rows_by_split]
    suites = {WHOLE: manifest_expectations(params, traits)}
    suites |= {split: split_expectations(split, params, traits) for split in present}
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as site:
        context = _context(Path(site))
        run = RunIdentifier(run_time=datetime.datetime.now(datetime.UTC))
        for name, expectations in suites.items():
            rows = manifest if name == WHOLE else frame[frame["split"] == name]
            results += [_outcome_of(name, result) for result in _run(context, name, expectations, rows, run).results]
        context.build_data_docs(site_names=[_SITE])
        files = {
            file.relative_to(site).as_posix(): file.read_bytes() for file in Path(site).rglob("*") if file.is_file()
        }
    # A suite runs in an order of its own; failures first, then by name, reads better and stays the same.
    order = list(suites)
    results.sort(key=lambda result: (result["success"], order.index(result["split"]), result["name"], result["column"]))
    success = all(result["success"] for result in results if result["severity"] == "critical")
    by_split = {split: int(rows_by_split[split]) for split in present}
    return {"success": success, "rows": len(manifest), "splits": by_split, "expectations": results}, files


def _context(site: Path) -> "EphemeralDataContext":
    """A context that keeps nothing, with one Data Docs site in the folder ``site``."""
    import great_expectations as gx

    # This one module sets its own level, and tells of every temporary folder.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    for name in list(context.get_site_names()):
        context.delete_data_docs_site(name)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site)}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    context.add_data_docs_site(
        _SITE, {"class_name": "SiteBuilder", "site_index_builder": index, "store_backend": store}
    )
    context.data_sources.add_pandas("soundmind")
    return context


def _run(
    context: "EphemeralDataContext",
    name: str,
    expectations: "Sequence[Expectation]",
    rows: pd.DataFrame,
    run: "RunIdentifier",
) -> "ExpectationSuiteValidationResult":
    """Hold ``rows`` against one suite; the result stays in the context, for the Data Docs."""
    import great_expectations as gx

    batch = (
        context.data_sources.get("soundmind").add_dataframe_asset(name).add_batch_definition_whole_dataframe("all rows")
    )
    suite = context.suites.add(gx.ExpectationSuite(name, expectations=list(expectations)))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    form = {"result_format": "SUMMARY", "unexpected_index_column_names": ["uid"]}
    return definition.run(batch_parameters={"dataframe": rows}, result_format=form, run_id=run)


def _outcome_of(split: str, result: Any) -> dict[str, Any]:
    """One expectation's result in plain types."""
    config, details = result.expectation_config, result.result
    arguments = config.kwargs
    column = arguments.get("column") or " = ".join(
        arguments[key] for key in ("column_A", "column_B") if key in arguments
    )
    first = [str(row.get("uid")) for row in details.get("partial_unexpected_index_list") or []]
    return {
        "split": split,
        "name": config.type,
        "column": column,
        "severity": str(config.severity.value),
        "success": bool(result.success),
        "count": int(details.get("unexpected_count") or 0),
        "first_uids": first[:_SHOWN_IDS],
        "expected": _expected(arguments),
        "observed": _exception(result.exception_info) or _observed(details),
    }


def _observed(details: Mapping[str, Any]) -> str | None:
    """What was found instead, in words, where it is not a number of rows."""
    observed = details.get("details", {}).get("mismatched") or details.get("observed_value")
    if observed is not None:
        return str(observed)
    lists = {"without": "partial_missing_list", "with": "partial_unexpected_list"}
    found = [f"{word} {', '.join(map(str, details[key]))}" for word, key in lists.items() if details.get(key)]
    return " and ".join(found) or None


def _expected(arguments: Mapping[str, Any]) -> str | None:
    """What an expectation's values are held against, in words; None where its name says it all."""
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if low is not None and high is not None:
        return f"{low:g}" if low == high else f"{low:g} to {high:g}"
    if high is not None:
        return f"at most {high:g}"
    for key in ("value", "value_set", "regex"):
        if key in arguments:
            value = arguments[key]
            return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return None


def _exception(info: Mapping[str, Any]) -> str | None:
    """The message of the exception an expectation ended in, if it did (one dict, or one a metric)."""
    entries = [info] if "raised_exception" in info else [entry for entry in info.values() if isinstance(entry, dict)]
    return next((str(entry["exception_message"]) for entry in entries if entry.get("raised_exception")), None)


def require_critical(outcome: Mapping[str, Any]) -> None:
    """Log the warnings of an outcome of :func:`validate_manifest` and stop at critical failures.

    Args:
        outcome: The outcome.

    Raises:
        SoundmindError: A critical expectation failed; names each with its split, its count and first uids.
    """
    failed = [result for result in outcome["expectations"] if not result["success"]]
    critical = [result for result in failed if result["severity"] == "critical"]
    unusual = [result for result in failed if result["severity"] != "critical"]
    if unusual:
        logger.warning("The manifest is unusual:\n%s", _listed(unusual))
    if critical:
        raise SoundmindError(
            f"The manifest fails its expectations:\n{_listed(critical)}", hint=" ".join(_advice(critical))
        )


def _advice(critical: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What to do about the failures: where they stand, and the parameters that they are held against."""
    yield "Open data_docs/index.html in the folder 08_reporting of the data."
    columns = {(result["name"], result["column"]) for result in critical}
    if ("expect_column_distinct_values_to_equal_set", "split") in columns:
        yield "Name the splits that there are in ingestion.expectations.splits."
    if any(name.endswith("_to_be_between") for name, _ in columns):
        yield "Bounds are those of ingestion.expectations; docs/audit.md has them for published data."
    if any(column.startswith("derived_splits_of_") for _, column in columns):
        yield "Where leaks are known of, set ingestion.expectations.leaks to warning."


def _listed(results: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(f"  {_sentence(result)}" for result in results)


def _sentence(result: Mapping[str, Any]) -> str:
    place = f"({result['column']})" if result["column"] else ""
    wanted = f", expected {result['expected']}" if result["expected"] else ""
    found = f"found {result['observed']}"
    if result["count"]:
        found = f"{result['count']} rows, first {', '.join(result['first_uids'])}"
    return f"{result['split']}: {result['name']}{place}: {found}{wanted}"

"""The dataset card: what the export holds, how it was made, and what a user should know before trusting it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from soundmind_pipeline.problems.published.premises import normal_form
from soundmind_pipeline.problems.schema import SPLITS

LICENSES: Final = {"soundmind": "mit", "logiqa_nli": "cc-by-nc-sa-4.0", "verified": "apache-2.0"}
"""Licence of what was made from each source: SoundMind's and LogiQA 2.0's own, and this project's."""

SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
STEPS: Final = ("source", "colloquialization", "teacher", "speech")
_TELLING: Final = ("kind", "model", "host", "prompt", "wording", "engine", "voice")
"""What the card tells of a step of the construction; seeds, lines and token counts stay in each row's provenance."""


def write_card(manifest: pd.DataFrame, layout: str, license_id: str | None = None) -> str:
    """The card as Markdown with the front matter that the Hugging Face hub reads.

    Args:
        manifest: The exported rows.
        layout: ``folder`` or ``jsonl``.
        license_id: The hub's name of the licence; None takes it from the sources of the rows.
    """
    provenance = [json.loads(text) for text in manifest["provenance"]]
    sources = {str(origin.get("source")) for origin in provenance}
    license_id = license_id or _license(sources)
    splits = split_facts(manifest)
    environment = Environment(
        loader=PackageLoader("soundmind_pipeline.problems.export"),
        autoescape=False,  # Markdown; nothing in it comes from the rows' texts
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("card.md.j2").render(
        front_matter=yaml.safe_dump(_front_matter(manifest, layout, license_id), sort_keys=False).strip(),
        layout=layout,
        license_id=license_id,
        rows=len(manifest),
        hours=_hours(manifest["question_seconds"]) + _hours(manifest["answer_seconds"]),
        splits=splits,
        made=_construction(provenance),
        has_verified=bool(manifest["problem"].notna().any()),
        has_published="soundmind" in sources,
        has_taught=bool((manifest["problem"].isna() & manifest["reference_verdict"].notna()).any()),
        has_speech=bool(manifest["question_audio"].notna().any()),
        conflicts=sum(split["label_conflicts"] for split in splits.values()),
    )


def split_facts(manifest: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Counts, durations in seconds, and defects of each split that has rows."""
    groups = manifest.dropna(subset="leak_group").groupby("leak_group")["split"].nunique()
    crossing = manifest["leak_group"].isin(groups.index[groups > 1])
    facts = {}
    for name in SPLITS:
        rows = manifest[manifest["split"] == name]
        if rows.empty:
            continue
        entailed = int((rows["label"] == 1).sum())
        facts[name] = {
            "rows": len(rows),
            "entailed": entailed,
            "not_entailed": len(rows) - entailed,
            "question_seconds": _mean(rows["question_seconds"]),
            "answer_seconds": _mean(rows["answer_seconds"]),
            "hours": _hours(rows["question_seconds"]) + _hours(rows["answer_seconds"]),
            "label_conflicts": int(rows["label_conflict"].sum()),
            "duplicate_questions": int(rows["user_content"].map(normal_form).duplicated().sum()),
            "shared_with_other_splits": int(crossing[rows.index].sum()),
        }
    return facts


def _front_matter(manifest: pd.DataFrame, layout: str, license_id: str) -> dict[str, Any]:
    size = next((name for limit, name in SIZES if len(manifest) < limit), "n>1M")
    names = [name for name in SPLITS if (manifest["split"] == name).any()]
    path = "{}/metadata.jsonl" if layout == "folder" else "{}.jsonl"
    files = [{"split": name, "path": path.format(name)} for name in names]
    return {
        "license": license_id,
        "language": ["en"],
        "task_categories": ["text-classification", "question-answering"],
        "tags": ["audio", "logical-reasoning", "chain-of-thought", "soundmind"],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": files}],
    }


def _construction(provenance: list[dict[str, Any]]) -> dict[str, list[tuple[str, int]]]:
    """How often each step was done which way, the most frequent first."""
    counts = {
        step: Counter(way for origin in provenance if (way := _way(origin.get(step)))).most_common() for step in STEPS
    }
    return {step: ways for step, ways in counts.items() if ways}


def _way(value: Any) -> str:
    return ", ".join(_facts(value)) if isinstance(value, Mapping) else str(value or "")


def _facts(step: Mapping[str, Any]) -> Iterator[str]:
    for name, value in step.items():
        if isinstance(value, Mapping):
            yield from (f"{name} {fact}" for fact in _facts(value))
        elif name in _TELLING and value is not None:
            yield f"{name} {value}"


def _license(sources: set[str]) -> str:
    known = {LICENSES.get(source, "other") for source in sources}
    return known.pop() if len(known) == 1 else "other"


def _hours(seconds: pd.Series) -> float:
    return float(seconds.sum()) / 3600


def _mean(seconds: pd.Series) -> float | None:
    return None if seconds.isna().all() else float(seconds.mean())

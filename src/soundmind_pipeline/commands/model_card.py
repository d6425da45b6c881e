"""The model card of an exported policy: data, settings, metrics, limits, provenance, as far as they are known."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.stages import StageRecord, StageRecords

_TITLES: Final = {"sft": "Supervised warm-up", "rl": "Reinforcement learning"}
_LIBRARIES: Final = ("torch", "transformers", "peft", "deepspeed")
_UNTOLD: Final = ("resume", "threads", "checkpoint_every", "launcher.", "guards.", "vllm.", "model.")
"""Settings that say nothing about the weights, or stand in config.json."""


def write_model_card(out: Path, project: Path, data: Path, policy: str) -> None:
    """Write `README.md` into an exported policy.

    Args:
        out: The exported folder.
        project: The project's folder.
        data: The environment's data folder.
        policy: `sft` or `rl`.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    records = [StageRecords(data / "08_reporting" / "stages").read(stage) for stage in _stages(policy)]
    known = [record for record in records if record]
    splits, sources = _splits(data / "03_primary" / "manifest.parquet")
    evaluation = _read(data / "08_reporting" / "evaluation.json")
    base = _base(out)
    environment = Environment(
        loader=PackageLoader("soundmind_pipeline.commands"),
        autoescape=False,  # Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template("model_card.md.j2").render(
        front_matter=_front_matter(base),
        title=f"SoundMind policy after {_TITLES[policy].lower()}",
        merged=base is None,
        base=base,
        splits=splits,
        sources=sources,
        records=[_told(record) for record in known],
        results=list(_results(evaluation, policy)),
        controls=evaluation.get("controls", {}) if policy == "rl" else {},
        nano=_is_nano(out),
        provenance=list(_provenance(out, project, known)),
    )
    (out / "README.md").write_text(text)


def _stages(policy: str) -> tuple[str, ...]:
    return ("sft", "rl") if policy == "rl" else ("sft",)


def _base(out: Path) -> str | None:
    """What `adapter_config.json` names as base; None for a whole model."""
    if not ModelFolder(out).is_adapter:
        return None
    return str(json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"])


def _front_matter(base: str | None) -> str:
    import yaml

    tags: dict[str, Any] = {"library_name": "peft" if base else "transformers", "pipeline_tag": "audio-text-to-text"}
    if base and base != "base":
        tags["base_model"] = base
    return yaml.safe_dump(tags | {"tags": ["audio-logical-reasoning", "soundmind"]}, sort_keys=False).strip()


def _is_nano(out: Path) -> bool:
    config = _read(out / "base" / "config.json") or _read(out / "config.json")
    return 0 < config.get("text_config", {}).get("hidden_size", 0) < 1024


def _splits(manifest: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Counts of each split and the sources of its rows; empty without a manifest."""
    import pandas as pd

    if not manifest.is_file():
        return [], []
    rows = pd.read_parquet(manifest, columns=["split", "label", "question_seconds", "provenance"])
    splits = [
        {
            "name": name,
            "rows": len(group),
            "entailed": int((group["label"] == 1).sum()),
            "hours": float(group["question_seconds"].sum()) / 3600,
        }
        for name, group in rows.groupby("split", sort=False)
    ]
    return splits, sorted({str(json.loads(text).get("source")) for text in rows["provenance"]})


def _told(record: StageRecord) -> dict[str, Any]:
    settings = {name.removeprefix(f"{record.stage}."): value for name, value in record.parameters.items()}
    return {
        "title": _TITLES[record.stage],
        "finished": record.finished,
        "seconds": record.seconds,
        "settings": [(name, _cell(value)) for name, value in settings.items() if not name.startswith(_UNTOLD)],
    }


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`".replace("|", r"\|")


def _results(evaluation: dict[str, Any], policy: str) -> Iterator[dict[str, Any]]:
    policies = evaluation.get("policies", {})
    for name in _stages(policy):
        for setting, result in policies.get(name, {}).items():
            yield {"policy": name, "setting": setting.replace("_", " "), **result}


def _provenance(out: Path, project: Path, records: list[StageRecord]) -> Iterator[str]:
    from soundmind_pipeline.gitinfo import git_commit, git_is_dirty

    for record in records:
        yield f"{_TITLES[record.stage]}: code at commit {record.git_commit or 'unknown'}, lineage {record.lineage}"
    changed = ", with changes that are not committed" if git_is_dirty(project) else ""
    yield f"Exported by code at commit {git_commit(project) or 'unknown'}{changed}"
    yield ", ".join(f"{library} {version(library)}" for library in _LIBRARIES)
    for file in sorted(out.rglob("*.safetensors")):
        yield f"`{file.relative_to(out).as_posix()}`: SHA-256 {sha256_of(file)}"


def _read(path: Path) -> dict[str, Any]:
    """A JSON document; empty where there is none."""
    return dict(json.loads(path.read_text())) if path.is_file() else {}

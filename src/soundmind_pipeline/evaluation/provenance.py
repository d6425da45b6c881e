"""Which run a report is of, in words that a printed page still tells."""

from collections.abc import Mapping
from typing import Any, Final

from soundmind_pipeline.stages import Artifact, Origin

INPUTS: Final = {"feature_index": "problems", "rl_policy": "RL policy"}
"""What the answers were made from → its name in the report."""


def provenance(
    answers: tuple[Artifact, Origin] | None, settings: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """Lines ``(what, which)``; they follow from the answers alone, not from when the page was made.

    Args:
        answers: What is recorded of the final policy's answers and of the run that gave them; None if nothing is.
        settings: Parameters in force: block → dotted key → value.
    """
    seeds = ", ".join(f"{block} {values['seed']}" for block, values in settings.items() if "seed" in values)
    chosen = [("split", str(settings.get("evaluation", {}).get("split", ""))), ("seeds", seeds)]
    known = [line for line in chosen if line[1]]
    if answers is None:
        return [("run", "not recorded"), *known]
    artifact, origin = answers
    lines = [
        ("run", origin.run_name or "without a name"),
        ("MLflow run", origin.run_id or "none"),
        ("began", origin.began),
        ("environment", f"conf/{origin.env}"),
        ("code", _code(origin)),
    ]
    for name, label in INPUTS.items():
        if name in artifact.inputs:
            content = artifact.inputs[name]
            lines.append((label, f"{content.path}, hash {content.hash}"))
    tools = ", ".join(f"{name} {version}" for name, version in origin.tools.items())
    return [*lines, *known, ("versions", tools)]


def _code(origin: Origin) -> str:
    if origin.git_commit is None:
        return "not in a git repository"
    return f"commit {origin.git_commit}{', with changes that are not committed' if origin.git_dirty else ''}"

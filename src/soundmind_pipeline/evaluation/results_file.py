"""``evaluation.json`` as it stays on disk: one way to write it, so that the same results give the same bytes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from soundmind_pipeline.files import atomic_path


def complete_results(path: Path, seconds: Mapping[str, float]) -> dict[str, Any]:
    """Fill in what only the end of a run knows, the stages' wall time, and write the file whole, keys sorted.

    Args:
        path: ``evaluation.json``, as the stage left it.
        seconds: Stage → wall seconds.

    Returns:
        The content of the file.
    """
    evaluation: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    evaluation["seconds"] = dict(seconds)
    with atomic_path(path) as temporary:
        text = json.dumps(evaluation, indent=2, sort_keys=True, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    return evaluation

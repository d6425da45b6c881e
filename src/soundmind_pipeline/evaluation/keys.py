r"""Names of single figures of ``evaluation.json``: its nested keys joined by dots, a dot inside of a key as ``\.``."""

import re
from collections.abc import Mapping
from typing import Any


def join_key(*parts: str) -> str:
    r"""The name of a figure, e.g. ``controls.silence.accuracy`` or ``baselines.cascade: tiny\.en.audio_to_text.n``."""
    return ".".join(part.replace(".", r"\.") for part in parts)


def look_up(document: Mapping[str, Any], name: str) -> Any:
    """The figure under a name of :func:`join_key`; None where there is none."""
    value: Any = document
    for part in re.split(r"(?<!\\)\.", name):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part.replace(r"\.", "."))
    return value

"""How the files of conf/ are put together."""

from typing import Any, Final

LOADER_ARGUMENTS: Final[dict[str, Any]] = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment overrides single keys of a parameter block, not the whole block.
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
}
"""Arguments of Kedro's ``OmegaConfigLoader``."""

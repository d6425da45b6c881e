import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset

CONF = Path(__file__).resolve().parents[2] / "conf" / "base"


@pytest.fixture
def project_catalog(tmp_path) -> Callable[..., DataCatalog]:
    """Makes the real catalog of some stages, with its files in an empty Kedro project of this test."""
    text = '[tool.kedro]\npackage_name = "x"\nproject_name = "x"\nkedro_init_version = "1.7.0"\n'
    (tmp_path / "pyproject.toml").write_text(text)

    def make(*stages: str, **inputs: Any) -> DataCatalog:
        entries: dict[str, Any] = {}
        for stage in stages:
            raw = (CONF / f"catalog_{stage}.yml").read_text()
            entries |= yaml.safe_load(raw.replace("${globals:data}", str(tmp_path / "data")))
        catalog = DataCatalog.from_config(entries)
        for name, value in inputs.items():
            catalog[name.replace("params_", "params:")] = MemoryDataset(value, copy_mode="assign")
        return catalog

    return make


@pytest.fixture
def base_parameters() -> Callable[[str], Mapping[str, Any]]:
    """Reads one block of the parameters that ship with the project."""
    return lambda block: yaml.safe_load((CONF / f"parameters_{block}.yml").read_text())[block]


@pytest.fixture
def modules_after() -> Callable[[str], set[str]]:
    """Top-level modules that a fresh interpreter holds after a statement."""

    def run(statement: str) -> set[str]:
        code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
        return set(done.stdout.split())

    return run

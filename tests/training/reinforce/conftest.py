import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def loop_reference():
    """The functions of loop_reference.py (tests are not a package, so they cannot import each other)."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("loop_reference.py"))))

"""YAML blocks of the docs are parameters that hold over conf/base; Python blocks import what exists."""

import ast
import importlib
import re

import pytest
import yaml
from omegaconf import OmegaConf

from soundmind_pipeline.pipelines.parameters import BLOCKS, validate_parameters

from .documented import PAGES, ROOT

# Blocks that are part of a larger one, by their first key.
INSIDE = {"speech": ("ingestion",), "counts": ("ingestion", "verified")}


def blocks(language):
    found = [
        (page, block)
        for page in PAGES
        for block in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.S | re.M)
    ]
    return [pytest.param(block, id=f"{page.name}-{number}") for number, (page, block) in enumerate(found)]


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_blocks_are_parameters(block):
    parameters = yaml.safe_load(block)
    first = next(iter(parameters))
    for key in () if first in BLOCKS else reversed(INSIDE[first]):
        parameters = {key: parameters}
    base = {}
    for path in (ROOT / "conf" / "base").glob("parameters_*.yml"):
        base |= yaml.safe_load(path.read_text())
    merged = OmegaConf.merge({name: base.get(name, {}) for name in parameters}, parameters)
    validate_parameters(OmegaConf.to_container(merged))


@pytest.mark.parametrize("block", blocks("python"))
def test_python_blocks_import_what_exists(block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, name.name) for name in node.names), node.module


def test_there_are_blocks():
    assert len(blocks("yaml")) > 10 and len(blocks("python")) > 2

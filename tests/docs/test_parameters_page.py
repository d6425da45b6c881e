"""docs/parameters.md is what the params models say, and holds every key of conf/base."""

import re
from pathlib import Path

import pytest
import yaml

from soundmind_pipeline.commands.reference import parameter_reference
from soundmind_pipeline.pipelines.parameters import BLOCKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "parameters.md").read_text()
FILES = sorted((ROOT / "conf" / "base").glob("parameters_*.yml"))
# Values whose keys are the user's own, or those of a block that stands elsewhere on the page.
FREE = {"ablation.rl", "ablation.weights"}


def test_it_is_up_to_date():
    assert parameter_reference() == PAGE, "`soundmind reference` writes it anew"


def test_every_block_has_a_section():
    sections = re.findall(r"^## `(\w+)`$", PAGE, flags=re.MULTILINE)
    assert sections == list(BLOCKS)


def keys_of(value, path):
    """Dotted paths of all keys below a value; the items of a list share one."""
    if path in FREE:
        return
    for item in value if isinstance(value, list) else [value]:
        for key, inner in item.items() if isinstance(item, dict) else ():
            yield f"{path}.{key}" if path else key
            yield from keys_of(inner, f"{path}.{key}" if path else key)


def documented_keys():
    """Every row of every table, by its dotted path; open mappings are rows without rows of their own."""
    found, section = set(), ""
    for line in PAGE.splitlines():
        if heading := re.match(r"#+ `([\w.\[\]?]+)`", line):
            section = re.sub(r"\[\]|\?", "", heading[1])
            found.add(section)
        elif row := re.match(r"\| `(\w+)` \|", line):
            found.add(f"{section}.{row[1]}")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_key_of_a_file_is_there(file):
    known = documented_keys()
    mappings = {key for key in known if not any(other.startswith(f"{key}.") for other in known)}
    for key in keys_of(yaml.safe_load(file.read_text()), ""):
        parents = {key.rsplit(".", depth)[0] for depth in range(1, key.count(".") + 1)}
        assert key in known or parents & mappings, key

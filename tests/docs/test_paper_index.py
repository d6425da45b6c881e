"""Every path and name in docs/paper-index.md exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "paper-index.md").read_text()
PACKAGE = ROOT / "src" / "soundmind_pipeline"
# `a/b.py`, `a/b.py::name`, `a/b.py::Class.method`, and other files that are named with their folder
REFERENCES = sorted(set(re.findall(r"`([\w./-]+/[\w.-]+\.\w+(?:::[\w.]+)?)`", PAGE)))


@cache
def names_in(path: Path) -> frozenset[str]:
    """Functions, classes, their methods, and constants of a module."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            if isinstance(target, ast.Name):
                found.add(target.id)
    return frozenset(found)


@pytest.mark.parametrize("reference", REFERENCES)
def test_it_exists(reference: str) -> None:
    path, _, name = reference.partition("::")
    file = next((base / path for base in (ROOT, PACKAGE) if (base / path).is_file()), None)
    assert file is not None, f"{path} does not exist"
    assert not name or name in names_in(file), f"{path} has no {name}"


def test_the_references_are_found() -> None:
    assert len(REFERENCES) > 60 and sum("::" in reference for reference in REFERENCES) > 50


def test_every_row_has_code_and_a_test() -> None:
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and "in the paper |" not in line]
    assert len(rows) > 20
    for row in rows:
        assert len(row) == 4, row
        assert ".py" in row[1] and "`tests/" in row[2], row[0]


@pytest.mark.parametrize(
    "place",
    [
        *(f"λ{number} =" for number in range(1, 6)),
        *("eq. 6", "eq. 7", "(k1)", "ε = 0.2", "hyperparameters"),
        *("table 2", "table 3", "figure 4", "table 4", "tables 5 and 6", "table 7"),
    ],
)
def test_it_is_indexed(place: str) -> None:
    assert place in PAGE


def test_links_lead_somewhere() -> None:
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in PAGE.splitlines() if line.startswith("#")}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert target[1:] in headings if target.startswith("#") else (ROOT / "docs" / target).is_file(), target


def test_what_is_not_built_is_said_as_such() -> None:
    items = [line for line in PAGE.partition("## Not built")[2].splitlines() if line]
    assert items and all(line.startswith("- not yet: ") for line in items)

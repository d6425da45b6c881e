"""What the README promises exists: links, files. Its commands are covered by tests/docs/test_commands.py."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (PROJECT / target).exists(), target


def test_scripts_and_configuration_exist():
    for path in re.findall(r"\b(?:benchmarks|conf)/[\w/.-]+\.(?:py|yml)\b", README):
        assert (PROJECT / path).exists(), path


@pytest.mark.slow
def test_artifacts_are_where_the_readme_says(smoke):
    project, _ = smoke
    for path in re.findall(r"`(data/0[\w/.]+)`", README):
        assert (project.path / "data" / "smoke" / path.removeprefix("data/")).exists(), path

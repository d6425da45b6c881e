"""What the README promises exists: commands, options, links, files."""

import re
import shlex
from pathlib import Path

import click
import pytest

from soundmind_pipeline.commands.main import soundmind
from soundmind_pipeline.pipelines.parameters import validate_parameters

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text()
CODE = re.findall(r"`([^`\n]+)`", README) + re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for block in CODE for line in block.splitlines() if line.strip()]


def commands_of(program: str) -> list[list[str]]:
    parts = [part.strip() for command in COMMANDS for part in command.split("&&")]
    return [shlex.split(part) for part in parts if part.split(" ")[0] == program and " " in part]


@pytest.mark.parametrize("words", commands_of("make"), ids=" ".join)
def test_make_targets_exist(words):
    targets = re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE)
    assert words[1] in targets


@pytest.mark.parametrize("words", commands_of("soundmind"), ids=" ".join)
def test_soundmind_commands_parse(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("dev.jsonl", "test.jsonl", "IN.jsonl"):
        Path(name).write_text("")
    command = soundmind.commands[words[1]]
    command.make_context(words[1], list(words[2:]), parent=click.Context(soundmind))


@pytest.mark.parametrize("words", commands_of("kedro"), ids=" ".join)
def test_kedro_runs_name_real_pipelines_and_parameters(words):
    from kedro.framework.cli.project import run

    from soundmind_pipeline.pipeline_registry import register_pipelines

    assert words[1] == "run"
    given = run.make_context("run", list(words[2:])).params
    names = [*given["pipelines"], *([given["pipeline"]] if given["pipeline"] else [])]
    assert set(names) <= register_pipelines().keys()
    validate_parameters(given["params"] or {})


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

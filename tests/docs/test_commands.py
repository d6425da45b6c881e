"""Every command of README and docs parses, and docs/commands.md says what runs it, or why nothing does."""

import ast
import re
import tomllib
from functools import cache

import click
import pytest

from soundmind_pipeline.pipelines.parameters import validate_parameters

from .documented import PAGES, PROGRAMS, ROOT, SHELL, TABLE, documented_commands, lines_of_blocks, program, words_of

COMMANDS = documented_commands()
ROWS = [re.split(r" \| ", line.strip("| ")) for line in TABLE.read_text().splitlines() if line.startswith("| `")]


def commands(*programs):
    return [pytest.param(words_of(command), id=command) for command in COMMANDS if program(command) in programs]


def test_every_command_has_a_row_and_every_row_a_command():
    listed = [row[0].strip("`") for row in ROWS]
    assert len(listed) == len(set(listed))
    missing, stale = COMMANDS.keys() - set(listed), set(listed) - COMMANDS.keys()
    assert not missing, f"without a row in docs/commands.md: {sorted(missing)}"
    assert not stale, f"in docs/commands.md, but in no page any more: {sorted(stale)}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_tests_that_exist_or_a_reason(row):
    _, by, why = row
    named = re.findall(r"`([^`]+)`", by)
    assert named or len(why.split()) > 2
    for reference in named:
        path, _, name = reference.partition("::")
        assert (ROOT / path).is_file(), path
        assert name in names_in(path) if name else path == ".ci/run", reference


@cache
def names_in(path):
    return {node.name for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.FunctionDef)}


def test_lines_of_blocks_start_with_a_known_program():
    for page in PAGES:
        for line in lines_of_blocks(page.read_text()):
            assert program(line) in PROGRAMS | SHELL, f"{page.name}: {line}"


@pytest.mark.parametrize("words", commands("make"))
def test_make_targets_exist(words):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert words[1] in targets


@pytest.mark.parametrize("words", commands("soundmind"))
def test_soundmind_commands_parse(words, tmp_path, monkeypatch):
    from soundmind_pipeline.commands.main import soundmind

    monkeypatch.chdir(tmp_path)
    for word in words:
        if re.fullmatch(r"[\w.-]+\.(parquet|tar\.gz)", word):
            (tmp_path / word).touch()  # options that want a file that is there
    parse(soundmind, words[1:])


@pytest.mark.parametrize("words", commands("mlflow"))
def test_mlflow_commands_parse(words):
    from mlflow.cli import cli

    parse(cli, words[1:])


def parse(command, words):
    """Let click check the words down to the last subcommand, unless they name a command and no more."""
    parent = click.Context(command)
    while isinstance(command, click.Group):
        command, words = command.get_command(parent, words[0]), words[1:]
        assert command is not None
    if words:
        command.make_context(command.name, list(words), parent=parent)


@cache
def kedro():
    from kedro.framework.cli.cli import KedroCLI

    return KedroCLI(ROOT)


@pytest.mark.parametrize("words", commands("kedro"))
def test_kedro_commands_name_what_there_is(words):
    from soundmind_pipeline.pipeline_registry import register_pipelines

    command, left = kedro(), words[1:]
    while left and (found := getattr(command, "get_command", lambda *_: None)(click.Context(command), left[0])):
        command, left = found, left[1:]
    given = command.make_context(command.name, list(left)).params
    if words[1] != "run":
        return
    names = [*given["pipelines"], *([given["pipeline"]] if given["pipeline"] else [])]
    pipelines = register_pipelines()
    assert set(names) <= pipelines.keys()
    nodes = [node for name in names for node in pipelines[name].nodes]
    assert set(given["from_nodes"] or ()) <= {node.name for node in nodes}
    assert set(given["tags"] or ()) <= {tag for node in nodes for tag in node.tags}
    assert (ROOT / "conf" / (given["env"] or "base")).is_dir() or given["env"] in made_by_readers()
    validate_parameters(given["params"] or {})


def made_by_readers():
    """Environments whose folder a page has its readers make."""
    return {name for page in PAGES for name in re.findall(r"^mkdir -p .*\bconf/(\w+)", page.read_text(), re.M)}


@pytest.mark.parametrize("words", commands("dvc"))
def test_dvc_commands_parse(words):
    from dvc.cli.parser import get_main_parser

    if words[1:] not in (["plots"], ["metrics"]):  # named as families of commands
        get_main_parser().parse_args(words[1:])


@pytest.mark.parametrize("words", commands("python"))
def test_scripts_and_their_options_exist(words):
    if words[1].startswith("-"):
        return
    script = (ROOT / words[1]).read_text()
    for option in (word for word in words[2:] if word.startswith("--")):
        assert f'"{option}"' in script, option


@pytest.mark.parametrize("words", commands("pip", "sbatch", "bash"))
def test_extras_and_files_exist(words):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words[1:]:
        if extra := re.search(r"\[([\w-]+)\]", word):
            assert extra[1] in extras
        elif "/" in word or word.endswith(".txt"):
            assert (ROOT / word).is_file(), word


def test_params_beside_a_command_are_parameters():
    from kedro.framework.cli.utils import _split_params

    given = {text for page in PAGES for text in re.findall(r"`--params ([^`\s]+)", page.read_text())}
    assert given
    for text in given:
        validate_parameters(_split_params(None, None, text))

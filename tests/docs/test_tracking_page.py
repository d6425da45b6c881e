"""Every command, tag, variable and file that docs/tracking.md names exists.

`tests/integration/test_tracking_server.py` runs those of the registry and of the server for real.
"""

import re
import shlex
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tracking.md").read_text()
SOURCE = "\n".join(path.read_text() for path in (ROOT / "src" / "soundmind_pipeline").rglob("*.py"))
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = [line.split("   #")[0].strip() for block in BLOCKS for line in block.splitlines()]


def commands_of(program: str) -> list[list[str]]:
    split = [[word for word in shlex.split(line) if "=sqlite" not in word and "=http" not in word] for line in COMMANDS]
    return [words for words in split if words and words[0] == program]


def parse(command: click.Command, words: list[str]) -> None:
    """Let click check the words, down to the last subcommand."""
    parent = click.Context(command)
    while isinstance(command, click.Group):
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, list(words), parent=parent)


@pytest.mark.parametrize("words", commands_of("soundmind"), ids=" ".join)
def test_soundmind_commands_parse(words: list[str]) -> None:
    from soundmind_pipeline.commands.main import soundmind

    parse(soundmind, words[1:])


@pytest.mark.parametrize("words", commands_of("mlflow"), ids=" ".join)
def test_mlflow_commands_parse(words: list[str]) -> None:
    from mlflow.cli import cli

    parse(cli, words[1:])


def test_each_program_is_looked_at() -> None:
    programs = {shlex.split(line)[0] for line in COMMANDS}
    assert programs == {
        "make",
        "soundmind",
        "export",
        "mlflow",
        "python",
        "curl",
        "MLFLOW_TRACKING_URI=http://127.0.0.1:5000",
    }
    assert "\nui:" in (ROOT / "Makefile").read_text()


def test_tags_are_the_ones_that_are_set() -> None:
    told = set(re.findall(r"`(soundmind\.[a-z_0-9]+)`", PAGE))
    assert told - {"soundmind.decision"} <= set(re.findall(r'"(soundmind\.[a-z_0-9]+)"', SOURCE))
    assert {"soundmind.conf_hash", "soundmind.parent_runs", "soundmind.lineage", "soundmind.seeds"} <= told


def test_variables_are_mlflows() -> None:
    import mlflow

    files = ("environment_variables.py", "tracking/_tracking_service/utils.py")
    code = "".join((Path(mlflow.__file__).parent / file).read_text() for file in files)
    for name in set(re.findall(r"\bMLFLOW_[A-Z_0-9]+", PAGE)):
        assert name in code, name


def test_files_exist() -> None:
    for path in re.findall(r"\b(?:tests|benchmarks)/[\w/.-]+\.py\b", PAGE):
        assert (ROOT / path).is_file(), path

"""The commands that README and docs tell a reader to type."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "commands.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted({*(ROOT / "docs").glob("*.md")} - {TABLE})]
PROGRAMS = {
    "bash",
    "curl",
    "docker",
    "dvc",
    "kedro",
    "make",
    "mkdocs",
    "mlflow",
    "npm",
    "pip",
    "python",
    "sbatch",
    "soundmind",
}
# Lines of the shell around commands; the arguments of `export` and `for` reach the commands beside them.
SHELL = {"export", "for", "done", "mkdir", "ln", "echo", "."}

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def program(command: str) -> str:
    """The program of a command, behind variables that are set for it alone."""
    words = [word for word in command.split() if not re.match(r"[A-Z_]+=", word)]
    return re.sub(r"^python3\.\d+$", "python", words[0]) if words else ""


def lines_of_blocks(text: str) -> list[str]:
    """Every command line of bash and console blocks, without comments, continued lines as one."""
    lines = []
    for language, block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if language == "bash" or line.startswith("$ "):
                lines += _parts(re.sub(r"(^|\s)#\s.*", "", line.removeprefix("$ ")))
    return lines


def commands_of(text: str) -> set[str]:
    """Commands of a page's blocks and of its inline code; a program's bare name is none."""
    inline = [part for code in re.findall(r"`([^`]+)`", BLOCK.sub("", text)) for part in _parts(code)]
    found = [command for command in [*lines_of_blocks(text), *inline] if program(command) in PROGRAMS]
    return {command for command in found if len(command.split()) > 1}


def documented_commands() -> dict[str, list[str]]:
    """Each command, and the pages that have it."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        for command in commands_of(page.read_text()):
            found.setdefault(command, []).append(page.name)
    return dict(sorted(found.items()))


def words_of(command: str) -> list[str]:
    """The program and its arguments as the shell hands them over."""
    words = [word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word)]
    return [program(command), *words[1:]]


def _parts(line: str) -> list[str]:
    return [" ".join(part.split()) for part in line.split(" && ") if part.strip()]

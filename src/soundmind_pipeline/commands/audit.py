"""``soundmind audit``: what is in annotation files before anybody trains on them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress, TaskID

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path

if TYPE_CHECKING:
    from soundmind_pipeline.audit.run import OnProgress

SPLIT_NAME = re.compile(r"[A-Za-z0-9]+(?:[-_]?[A-Za-z0-9]+)*")
BYTES_BEFORE_BAR = 5_000_000  # about a second of work: shorter files need no progress bar


@click.command()
@click.option(
    "--annotations", multiple=True, required=True, metavar="SPLIT=FILE", help="A split's JSON Lines file; repeat it."
)
@click.option(
    "--source", "sources", multiple=True, type=click.Path(path_type=Path), help="LogiQA 2.0-NLI lines; repeat it."
)
@click.option(
    "--tokenizer", type=click.Path(path_type=Path), help="Folder with tokenizer.json; else words are counted."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for audit.json and audit.html.")
def audit(annotations: tuple[str, ...], sources: tuple[Path, ...], tokenizer: Path | None, out: Path) -> None:
    """Audit SoundMind annotations; no audio is needed.

    Each line of a split's file holds "id", "user_content", "answer" and "label" (1 entailed, 0 not entailed), and may
    hold "question_seconds" and "answer_seconds". Reported are label conflicts, duplicates, questions and premises that
    splits share, lengths beside the paper's table 3, wording that leaks the label, and agreement with the source's
    labels. Lines that cannot be used are listed, not dropped.
    """
    run(parse_annotations(annotations), sources, tokenizer, out)


def run(annotations: Mapping[str, Path], sources: Sequence[Path], tokenizer: Path | None, out: Path) -> dict[str, Any]:
    """Audit the files, write ``audit.json`` and ``audit.html`` into ``out`` and print a summary.

    Returns:
        The content of audit.json.

    Raises:
        SoundmindError: On a file that is missing, unreadable or without a usable row (naming file, line and key), a
            folder without tokenizer, an output that cannot be written.
    """
    from soundmind_pipeline.audit.page import render_page
    from soundmind_pipeline.audit.run import audit_files
    from soundmind_pipeline.audit.summary import print_summary
    from soundmind_pipeline.audit.tokens import load_counter

    for path in (*sources, *annotations.values()):
        if not path.is_file():
            raise SoundmindError(f"{path}: no such file", hint="check the paths behind --annotations and --source")
    counter = None if tokenizer is None else load_counter(tokenizer)
    unit = "whitespace words" if tokenizer is None else f"tokens of {tokenizer.resolve().name}"
    size = sum(path.stat().st_size for path in (*sources, *annotations.values()))
    with _progress(size) as on_progress:
        document, rows = audit_files(annotations, sources, counter, unit, on_progress)
    page = render_page(document, rows)
    try:
        # Both are written before either takes its place.
        with atomic_path(out / "audit.json") as data, atomic_path(out / "audit.html") as html:
            data.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            html.write_text(page, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        hint = "give a folder that can be written to --out"
        raise SoundmindError(f"{error.filename or out}: {error.strerror}", hint=hint) from None
    print_summary(Console(), document, (out / "audit.html", out / "audit.json"))
    return document


def parse_annotations(arguments: Sequence[str]) -> dict[str, Path]:
    """Read ``SPLIT=FILE`` arguments.

    Raises:
        SoundmindError: If one has another form, names a split that another one names, or an odd name.
    """
    splits: dict[str, Path] = {}
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if not equals or not path:
            raise SoundmindError(f"--annotations {argument}: names no split", hint="e.g. --annotations dev=dev.jsonl")
        if not SPLIT_NAME.fullmatch(name):
            hint = "use letters and digits, single hyphens and underscores between them, e.g. dev=dev.jsonl"
            raise SoundmindError(f"--annotations {argument}: {name!r} cannot name a split", hint=hint)
        if name in splits:
            raise SoundmindError(f"--annotations {argument}: {name!r} is given twice", hint="name each split once")
        splits[name] = Path(path)
    return splits


@contextmanager
def _progress(size: int) -> Iterator["OnProgress"]:
    """A bar a phase, on a terminal, if there is much to read."""
    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    with Progress(console=console, transient=True, disable=size < BYTES_BEFORE_BAR or not console.is_terminal) as bar:

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what.replace("[", r"\["), total=total)
            if done % 100 == 0 or done >= total or total > 1_000_000:
                bar.update(tasks[what], completed=done)

        yield on_progress

"""``soundmind score``: the reward of every response in a JSON Lines file."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import click
from rich.console import Console
from rich.progress import Progress

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path
from soundmind_pipeline.rewards.params import RewardParams, RewardWeights, Style
from soundmind_pipeline.rewards.scorer import Score, Scorer

TERMS = ("total", "format_text", "format_audio", "answer", "length_text", "length_audio")
HINT = 'give one JSON object a line: {"response": "…", "label": 0 or 1, "reference": "…"}'
BYTES_BEFORE_BAR = 2_000_000  # about a second of work: shorter files need no progress bar
LINES_PER_UPDATE = 500


class Row(NamedTuple):
    """One line of the input."""

    response: str
    label: int
    reference: str
    audio_seconds: float | None
    reference_audio_seconds: float | None


@click.command()
@click.option("--responses", required=True, type=click.Path(path_type=Path), help="JSON Lines file to score.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="JSON Lines file to write.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["think", "plain"]),
    default="think",
    show_default=True,
    help="Response format: reasoning in <think> tags, or plain like the published annotations.",
)
@click.option(
    "--weights",
    default="1,0.5,2,1,0.75",
    show_default=True,
    help="λ1 to λ5: format_text, format_audio, answer, length_text, length_audio.",
)
def score(responses: Path, out: Path, style: Style, weights: str) -> None:
    """Score responses with the reward of SoundMind-RL.

    Each input line holds "response", "label" (1 entailed, 0 not entailed) and "reference", optionally "id",
    "audio_seconds" and "reference_audio_seconds". Each output line holds the id, the verdict or the reason for having
    none, the five weighted terms, their total and a lenient reading of the verdict. Lengths are counted in words.
    """
    run(responses, out, style, parse_weights(weights))


def run(responses: Path, out: Path, style: Style, weights: RewardWeights) -> None:
    """Score every line of ``responses`` into ``out``, in the same order, and print one line of summary.

    Args:
        responses: JSON Lines in UTF-8, the keys as in the command's help; other keys are ignored, blank lines skipped.
        out: JSON Lines; written under a temporary name and put in place only when every line is scored.
        style: ``think`` or ``plain``.
        weights: λ1 to λ5.

    Raises:
        SoundmindError: On a missing or empty file, a bad line (naming file, line and key), an output that cannot be
            written.
    """
    scorer = Scorer(RewardParams(style=style, weights=weights))
    if not responses.is_file():
        raise SoundmindError(f"{responses}: no such file", hint="pass a JSON Lines file to --responses")
    summary = _Summary()
    try:
        with (
            responses.open("rb") as source,
            atomic_path(out) as temporary,
            temporary.open("w", encoding="utf-8") as target,
        ):
            for number, line in _lines_with_progress(source, responses.stat().st_size):
                document = _parse_line(line, responses, number)
                row = _read_row(document, responses, number)
                result = scorer.score(*row)
                summary.add(result)
                target.write(json.dumps(_output_row(document, result)) + "\n")
            if summary.rows == 0:
                raise SoundmindError(f"{responses}: holds no rows", hint=HINT)
    except OSError as error:
        path = responses if error.filename == str(responses) else out
        raise SoundmindError(
            f"{path}: {error.strerror}", hint="check the path, its rights and the space left"
        ) from None
    click.echo(f"{summary} → {out}")


def parse_weights(text: str) -> RewardWeights:
    """Read five comma-separated numbers, λ1 to λ5.

    Raises:
        SoundmindError: If there are not five, or one is no finite number ≥ 0.
    """
    names = tuple(RewardWeights.model_fields)
    try:
        values = dict(zip(names, (float(part) for part in text.split(",")), strict=True))
        return RewardWeights(**values)
    except ValueError:
        hint = f"give five finite numbers ≥ 0 for {', '.join(names)}, e.g. --weights 1,0.5,2,1,0.75"
        raise SoundmindError(f"--weights {text!r} are not five weights", hint=hint) from None


def _lines_with_progress(source: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """Number the non-blank lines from 1, under a progress bar on a terminal if the file is long."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=size < BYTES_BEFORE_BAR or not console.is_terminal) as bar:
        task = bar.add_task("scoring", total=size)
        for number, line in enumerate(source, start=1):
            if number % LINES_PER_UPDATE == 0:
                bar.update(task, completed=source.tell())
            if not line.isspace():
                yield number, line


def _parse_line(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        document = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise SoundmindError(f"{path}, line {number}: not UTF-8 (byte {error.start})", hint=HINT) from None
    except (ValueError, RecursionError) as error:
        raise SoundmindError(f"{path}, line {number}: not JSON ({error})", hint=HINT) from None
    if not isinstance(document, dict):
        raise SoundmindError(f"{path}, line {number}: not a JSON object but {_shown(document)}", hint=HINT)
    return document


def _read_row(document: dict[str, Any], path: Path, number: int) -> Row:
    """Check the keys that are used."""

    def complain(key: str, wanted: str) -> SoundmindError:
        found = _shown(document[key]) if key in document else "missing"
        return SoundmindError(f"{path}, line {number}, key {key!r}: must be {wanted}, is {found}", hint=HINT)

    response, label, reference = document.get("response"), document.get("label"), document.get("reference")
    if not isinstance(response, str):
        raise complain("response", "a string")
    if type(label) is not int or label not in (0, 1):
        raise complain("label", "0 or 1")
    if not isinstance(reference, str):
        raise complain("reference", "a string")
    seconds: list[float | None] = []
    for key in ("audio_seconds", "reference_audio_seconds"):
        value = document.get(key)
        if value is not None and type(value) not in (int, float):
            raise complain(key, "a number of seconds or null")
        try:
            seconds.append(None if value is None else float(value))
        except OverflowError:  # an integer of more than 308 digits
            raise complain(key, "a number of seconds or null") from None
    return Row(response, label, reference, *seconds)


def _shown(value: object) -> str:
    """A value as it stood in the file, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _output_row(document: dict[str, Any], result: Score) -> dict[str, Any]:
    row = {"id": document["id"]} if "id" in document else {}
    return row | {
        "verdict": result.verdict,
        "reason": result.reason,
        "format_text": result.format_text,
        "format_audio": result.format_audio,
        "answer": result.answer,
        "length_text": result.length_text,
        "length_audio": result.length_audio,
        "total": result.total,
        "verdict_lenient": result.verdict_lenient,
    }


class _Summary:
    """Running sums for the closing line."""

    def __init__(self) -> None:
        self.rows = 0
        self.sums = dict.fromkeys(TERMS, 0.0)
        self.reasons: Counter[str] = Counter()

    def add(self, result: Score) -> None:
        self.rows += 1
        for term in TERMS:
            self.sums[term] += getattr(result, term)
        if result.reason is not None:
            self.reasons[result.reason] += 1

    def __str__(self) -> str:
        means = ", ".join(f"{term} {self.sums[term] / self.rows:.3f}" for term in TERMS)
        missing = ", ".join(f"{reason} {count:,}" for reason, count in self.reasons.most_common())
        no_verdict = f"{self.reasons.total():,} without verdict" + (f" ({missing})" if missing else "")
        return f"{self.rows:,} rows; means: {means}; {no_verdict}"

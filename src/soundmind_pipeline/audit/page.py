"""The audit as one HTML file that needs nothing else, neither a server nor a network."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from soundmind_pipeline.audit.figures import draw_lengths
from soundmind_pipeline.audit.rows import Row
from soundmind_pipeline.evaluation.style import inline_svg

LISTED: Final = 50
"""Rows of a list that the page shows; audit.json holds them all."""

COMPARED: Final = (
    ("rows", "rows", 0),
    ("entailed", "entailed", 0),
    ("not_entailed", "not entailed", 0),
    ("question_tokens", "question, tokens", 1),
    ("answer_tokens", "answer, tokens", 1),
    ("question_words", "question, words", 1),
    ("answer_words", "answer, words", 1),
    ("question_seconds", "question, s", 2),
    ("answer_seconds", "answer, s", 2),
    ("question_speech_seconds", "question, s of speech", 2),
    ("answer_speech_seconds", "answer, s of speech", 2),
    ("question_words_per_second", "question, words a second", 2),
    ("answer_words_per_second", "answer, words a second", 2),
)
"""Lines of the table beside the paper's table 3: key, name, decimals."""


def render_page(audit: Mapping[str, Any], rows: Mapping[str, Sequence[Row]]) -> str:
    """The report as HTML; whatever the annotations hold is escaped.

    Args:
        audit: The document of :func:`~soundmind_pipeline.audit.run.audit_files`.
        rows: The rows by split, for the histograms.
    """
    environment = Environment(
        # The stylesheet is that of the evaluation report.
        loader=ChoiceLoader(
            [PackageLoader("soundmind_pipeline.audit"), PackageLoader("soundmind_pipeline.evaluation")]
        ),
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=_count, number=_number, pct=_percent, p_value=_p_value)
    return environment.get_template("audit.html.j2").render(
        audit=audit,
        splits=audit["splits"],
        pairs=[(*key.split("__"), pair) for key, pair in audit["cross_split"].items()],
        total={key: _total(audit, key) for key in ("rows", "label_conflicts", "duplicate_questions", "bad_rows")},
        shared=sum(pair["shared_questions"] for pair in audit["cross_split"].values()),
        compared=[(name, _compared(audit, key), digits) for key, name, digits in COMPARED],
        figures=_figures(rows),
        listed=LISTED,
    )


def _total(audit: Mapping[str, Any], key: str) -> int:
    values = [split[key] for split in audit["splits"].values()]
    return sum(len(value) if isinstance(value, list) else value for value in values)


def _compared(audit: Mapping[str, Any], key: str) -> list[tuple[float | None, float | None]]:
    """One line of the table: (ours, the paper's) by split; lengths are means."""
    cells = []
    for split in audit["splits"].values():
        statistics = split["statistics"].get(key)
        ours = split[key] if key in split else statistics["mean"] if statistics else None
        cells.append((ours, (split["paper"] or {}).get(key)))
    return cells


def _figures(rows: Mapping[str, Sequence[Row]]) -> list[tuple[str, str, Markup]]:
    """Side, unit and drawing of each histogram."""
    figures = []
    for side in ("answer", "question"):
        drawn = draw_lengths(rows, side)
        if drawn is not None:
            unit, svg = drawn
            title = f"Histograms of {side} lengths in {unit} by split and label"
            figures.append((side, unit, Markup(inline_svg(svg, side, title))))
    return figures


def _printable(value: Any) -> Any:
    """A text without control characters, which browsers and terminals may act upon; anything else as it is."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(character if character.isprintable() else " " for character in value)


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}%"


def _p_value(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"

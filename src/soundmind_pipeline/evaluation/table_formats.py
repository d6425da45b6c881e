"""A table of numbers as CSV, JSON, LaTeX and HTML."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Final

from soundmind_pipeline.evaluation.number_tables import Cell, Column, NumberTable
from soundmind_pipeline.evaluation.pages import page_environment

_APART: Final = "\u2060"
_LATEX: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "→": r"$\rightarrow$", "–": "--", "−": "$-$",
    "·": r"$\cdot$", "λ": r"$\lambda$", "±": r"$\pm$", "≥": r"$\geq$", "≤": r"$\leq$", "×": r"$\times$",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "“": "``", "”": "''", _APART: "{}",
}  # fmt: skip
_SOURCES: Final = {"paper": "paper", "ours": "this run", "": ""}


def to_csv(table: NumberTable) -> str:
    """One line a row, raw values; an interval as two columns ``…_low`` and ``…_high``."""
    rows = _records(table)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["row"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _records(table: NumberTable) -> list[dict[str, Any]]:
    """Rows by column name; columns that hold an interval anywhere hold its bounds everywhere."""
    bounded = {i for line in table.lines for i, cell in enumerate(line.cells) if cell.interval}
    rows = []
    for line in table.lines:
        row: dict[str, Any] = {"row": line.label}
        for i, (column, cell) in enumerate(zip(table.columns, line.cells, strict=True)):
            row[column.identifier] = cell.value
            if i in bounded:
                low, high = cell.interval or (None, None)
                row |= {f"{column.identifier}_low": low, f"{column.identifier}_high": high}
        rows.append(row)
    return rows


def to_json(tables: Sequence[NumberTable]) -> str:
    """All tables: name → title, rows as in the CSV, where ``evaluation.json`` holds each number, and notes."""
    document = {
        table.name: {
            "title": table.heading,
            "rows": _records(table),
            "keys": [
                {
                    column.identifier: cell.key
                    for column, cell in zip(table.columns, line.cells, strict=True)
                    if cell.key
                }
                for line in table.lines
            ],
            "notes": list(table.notes),
        }
        for table in tables
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_latex(table: NumberTable) -> str:
    """A ``table`` environment; the document has to load the package ``booktabs``."""
    caption = f"{table.title[:1].upper()}{table.title[1:]} (the paper's {table.name.replace('_', ' ')})."
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape_latex(' '.join([caption, *table.notes]))}}}",
        rf"  \label{{tab:soundmind-{table.name.replace('_', '-')}}}",
        rf"  \begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"    \toprule",
        *_latex_groups(table),
        _latex_row("", [_heading(column) for column in table.columns]),
        r"    \midrule",
    ]
    for line in table.lines:
        label = escape_latex(line.label)
        lines.append(_latex_row(rf"\textbf{{{label}}}" if line.emphasis else label, map(_latex_cell, line.cells)))
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table}", ""])


def _latex_groups(table: NumberTable) -> list[str]:
    """Whose columns these are, above the headings."""
    if not table.is_grouped:
        return []
    cells, rules, start = [], [], 2
    for source, width in table.groups:
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{_SOURCES[source]}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [_latex_row("", cells), "    " + " ".join(rules)]


def _latex_row(label: str, cells: Any) -> str:
    return "    " + " & ".join([label, *cells]) + r" \\"


def _latex_cell(cell: Cell) -> str:
    interval = rf" {{\footnotesize {_latex_number(cell.interval_text)}}}" if cell.interval else ""
    return (escape_latex(cell.text) if cell.kind == "text" else _latex_number(cell.text)) + interval


def _latex_number(text: str) -> str:
    return escape_latex(text.replace("-", "−"))


def _heading(column: Column) -> str:
    return escape_latex(column.name)


def escape_latex(text: str) -> str:
    """``text`` with everything that LaTeX would act upon, or has no letter for, replaced."""
    apart = text.replace("--", f"-{_APART}-")  # two hyphens, as before an option, would be set as a dash
    return "".join(_LATEX.get(character, character) for character in apart)


def to_html(table: NumberTable) -> str:
    """The table with its notes, for a page; each number in a ``<data>`` element with its full value and origin."""
    environment = page_environment()
    return environment.get_template("table.html.j2").render(table=table, sources=_SOURCES)

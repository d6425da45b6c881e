"""Tables of numbers that know where they come from: the one structure behind CSV, JSON, LaTeX and HTML."""

from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["text", "count", "number", "share", "points", "interval", "change_interval"]

FORMATS: Final[dict[Kind, tuple[str, float]]] = {
    "text": ("{}", 1),
    "count": ("{:,.0f}", 1),
    "number": ("{:,.{digits}f}", 1),
    "share": ("{:.{digits}f}%", 100),
    "points": ("{:+.{digits}f}", 100),
    "interval": ("[{:.{digits}f}, {:.{digits}f}]", 100),
    "change_interval": ("[{:+.{digits}f}, {:+.{digits}f}]", 100),
}
"""Kind of a number → its template, and what the value is multiplied by: shares are shown in percent."""
MISSING: Final = "–"


def show(value: Any, kind: Kind, digits: int = 1) -> str:
    """A value as people read it, e.g. ``81.4%``; a dash for None.

    Args:
        value: A number, a text, or a pair of numbers for an interval.
        kind: What it is.
        digits: Decimals.
    """
    if value is None:
        return MISSING
    template, scale = FORMATS[kind]
    parts = value if isinstance(value, list | tuple) else [value]
    return template.format(*(part if isinstance(part, str) else scale * part for part in parts), digits=digits)


@dataclass(frozen=True)
class Cell:
    """One number of a table, or a text, or nothing."""

    value: float | str | None = None
    kind: Kind = "text"
    digits: int = 1
    interval: tuple[float, float] | None = None
    """Bounds of the value's 95% interval."""
    key: str = ""
    """Where ``evaluation.json`` holds the value; empty if it comes from elsewhere."""
    interval_key: str = ""
    """Where ``evaluation.json`` holds the interval."""

    @property
    def text(self) -> str:
        """The value as people read it."""
        return show(self.value, self.kind, self.digits)

    @property
    def interval_text(self) -> str:
        """The interval as people read it; empty where there is none."""
        if self.interval is None:
            return ""
        return show(self.interval, "change_interval" if self.kind == "points" else "interval")


@dataclass(frozen=True)
class Column:
    """One column: whose numbers, and of what."""

    source: Literal["paper", "ours", ""]
    """``paper`` and ``ours`` are shown as groups; empty for what belongs to neither."""
    name: str
    """As a heading, e.g. ``accuracy``."""

    @property
    def identifier(self) -> str:
        """As a name in CSV and JSON, e.g. ``paper_accuracy``."""
        return "_".join([*filter(None, [self.source]), *self.name.lower().replace(",", "").split()])


@dataclass(frozen=True)
class Line:
    """One row of a table."""

    label: str
    cells: tuple[Cell, ...]
    """One for each column."""
    emphasis: bool = False
    """Whether the row is what the table is about."""


@dataclass(frozen=True)
class NumberTable:
    """One table; every format is written from it, so that they cannot disagree."""

    name: str
    """As a file name, e.g. ``table_4``."""
    title: str
    """What it shows, e.g. ``audio → text``."""
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    """Sentences below the table."""

    @property
    def heading(self) -> str:
        """Title with the number, e.g. ``Table 4: audio → text``."""
        return f"{self.name.replace('_', ' ').capitalize()}: {self.title}"

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Heading and width of each run of columns with one source."""
        runs: list[tuple[str, int]] = []
        for column in self.columns:
            if runs and runs[-1][0] == column.source:
                runs[-1] = (column.source, runs[-1][1] + 1)
            else:
                runs.append((column.source, 1))
        return runs

    @property
    def is_grouped(self) -> bool:
        """Whether a heading above the columns says whose they are."""
        return any(column.source for column in self.columns)

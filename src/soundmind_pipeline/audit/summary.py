"""What the terminal says of an audit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

MANIFEST: Final = "manifest"
"""What the audit of a manifest gives as its splits' file."""

_COLUMNS = {
    "rows": "rows",
    "entailed": "entailed",
    "not_entailed": "not entailed",
    "label_conflicts": "label conflicts",
    "duplicate_questions": "duplicate questions",
    "bad_rows": "bad rows",
}


def print_summary(console: Console, document: Mapping[str, Any], places: Sequence[Path]) -> None:
    """A table of the splits, a line a pair of splits, and where the rest stands.

    Args:
        console: Where to.
        document: The audit.
        places: The files that hold it.
    """
    table = Table(box=None, pad_edge=False)
    table.add_column("split")
    for title in _COLUMNS.values():
        table.add_column(title, justify="right")
    for name, split in document["splits"].items():
        counts = [len(split[key]) if key == "bad_rows" else split[key] for key in _COLUMNS]
        table.add_row(Text(name), *(f"{count:,}" for count in counts))
    console.print(table)
    for key, pair in document["cross_split"].items():
        shared = f"{pair['shared_questions']:,} questions and {pair['shared_major_premises']:,} major premises"
        console.print(Text(f"{' and '.join(key.split('__'))} share {shared}"))
    for name, split in document["splits"].items():
        if split["source"]:
            found = split["source"]
            share = "" if found["agreement"] is None else f", labels agree in {found['agreement']:.1%}"
            console.print(Text(f"{name}: {found['matched']:,} rows found in the source{share}"))
        if split["bad_rows"]:
            bad = split["bad_rows"][0]
            # Of a manifest these are rows in quarantine, whose reasons tell their place.
            place = "" if split["file"] == MANIFEST else f" in {split['file']}, line {bad['line']}"
            console.print(Text(f"{name}: first bad row{place}: {bad['reason']}"), style="yellow")
    console.print(Text(f"→ {', '.join(map(str, places))}"))

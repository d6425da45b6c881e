"""Read LogiQA 2.0-NLI, the source that SoundMind was built from: triplets and labels, without prompts and answers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.problems.leak_groups import assign_leak_groups
from soundmind_pipeline.problems.published.lines import BadRow
from soundmind_pipeline.problems.published.logiqa import read_logiqa
from soundmind_pipeline.problems.sources.rows import Rejected, empty_row, text_frame, triplet_columns

SOURCE_NAME: Final = "logiqa_nli"


def read_logiqa_nli(files: Mapping[str, Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the files of one or more splits.

    The source's label is both ``label`` and ``source_label``. ``user_content`` and ``reference_…`` are null: they are
    for the construction to fill. The id is the number of the line.

    Args:
        files: Split → JSON Lines file.

    Returns:
        The text columns of the sample table, with ``leak_group`` from the triplets of all splits together; and the
        lines that cannot be used, with ``uid``, ``place`` (file name and line), ``reason`` and the record as JSON.

    Raises:
        SoundmindError: A file cannot be read.
    """
    rows: list[dict[str, Any]] = []
    rejected = Rejected()
    for split, path in files.items():
        for problem in read_logiqa(path):
            if isinstance(problem, BadRow):
                rejected.add_line(split, f"{path.name}, line {problem.line}", problem)
                continue
            origin = {"source": SOURCE_NAME, "file": path.name, "line": problem.line}
            row = empty_row(split, f"{problem.line:04d}", origin) | triplet_columns(problem.premises)
            rows.append(row | {"label": problem.label, "source_label": problem.label})
    return assign_leak_groups(text_frame(rows)), rejected.frame()

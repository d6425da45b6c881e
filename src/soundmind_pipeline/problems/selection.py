"""Rows that a researcher may want to leave out: contradicted labels, and problems that another split knows too."""

import pandas as pd


def splits_of_group(table: pd.DataFrame, column: str) -> pd.Series:
    """In how many splits the value that a row has in ``column`` stands; 1 for a row without a value.

    Args:
        table: Columns ``split`` and ``column``, all splits.
        column: A group, such as ``leak_group``.
    """
    counts = table.groupby(column)["split"].transform("nunique")
    return counts.fillna(1).astype("int64").rename(None)


def is_leaked(table: pd.DataFrame) -> pd.Series:
    """Which rows of a sample table have their leak group in another split too.

    Args:
        table: Columns ``split`` and ``leak_group``, all splits.
    """
    return splits_of_group(table, "leak_group") > 1


def excluded_rows(table: pd.DataFrame, split: str, label_conflicts: bool, leaks: bool) -> dict[str, pd.Series]:
    """Which rows of a split are to be left out, and why.

    Args:
        table: The sample table with all its splits.
        split: The split that is chosen from; rows of others are never marked.
        label_conflicts: Leave out the rows whose own reference contradicts their label.
        leaks: Leave out the rows whose leak group stands in another split.

    Returns:
        Reason → bool by row of ``table``, for the reasons that were asked for; a row may have both.
    """
    chosen = table["split"] == split
    marked: dict[str, pd.Series] = {}
    if label_conflicts:
        marked["label contradicted by the reference"] = chosen & table["label_conflict"].astype(bool)
    if leaks:
        marked["leak group in another split"] = chosen & is_leaked(table)
    return marked

"""Table 3 of the paper: what the published splits hold."""

from typing import Final

PAPER: Final[dict[str, dict[str, float]]] = {
    "train": {
        "rows": 5184,
        "entailed": 2326,
        "not_entailed": 2858,
        "question_tokens": 182,
        "answer_tokens": 1683,
        "question_seconds": 62.33,
        "answer_seconds": 608.42,
    },
    "test": {
        "rows": 656,
        "entailed": 296,
        "not_entailed": 360,
        "question_tokens": 158,
        "answer_tokens": 1424,
        "question_seconds": 57.90,
        "answer_seconds": 586.51,
    },
    "dev": {
        "rows": 606,
        "entailed": 264,
        "not_entailed": 342,
        "question_tokens": 155,
        "answer_tokens": 1426,
        "question_seconds": 57.85,
        "answer_seconds": 586.39,
    },
}
"""Table 3: number of rows, and means of tokens and seconds. Its validation split is ``dev`` here."""

_ALIASES: Final = {"training": "train", "validation": "dev", "valid": "dev", "val": "dev"}


def paper_row(split: str) -> dict[str, float] | None:
    """Table 3's row of a split under any of its usual names; None if it has none."""
    name = split.casefold()
    return PAPER.get(_ALIASES.get(name, name))

"""The expectations themselves: one suite for the manifest as a whole, and one for each split.

Great Expectations skips nulls, so every column that must be filled has a not-null expectation of its own.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from soundmind_pipeline.problems.expectations.derived import GROUP_COLUMNS
from soundmind_pipeline.problems.expectations.params import ExpectationParams
from soundmind_pipeline.problems.published.table3 import PAPER
from soundmind_pipeline.problems.schema import (
    CLAIM_KINDS,
    CLIP_FIELDS,
    ID_PATTERN,
    NULLABLE_COLUMNS,
    SAMPLE_COLUMNS,
    SHA256_PATTERN,
    TEXT_COLUMNS,
    VERDICTS,
)

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

AUDIO_PATH_PATTERN: Final = r"^(?!/)(?!.*\\)(?!(?:.*/)?\.\.(?:/|$)).+\.[A-Za-z0-9]+$"
"""A POSIX path that stays inside the project."""


@dataclass(frozen=True)
class Traits:
    """What kind of table is examined, hence which expectations apply to it.

    Attributes:
        constructed: Problems were generated from a logical form, so that form, premises and verdict are all known.
        spoken: The audio columns are there.
    """

    constructed: bool
    spoken: bool

    @classmethod
    def of(cls, manifest: pd.DataFrame) -> "Traits":
        """The traits of a sample table; one without a single audio column is one before speech is made."""
        constructed = "problem" in manifest and bool(manifest["problem"].notna().any())
        return cls(constructed, any(name not in TEXT_COLUMNS and name in SAMPLE_COLUMNS for name in manifest.columns))

    @property
    def filled(self) -> tuple[str, ...]:
        """Columns without nulls; the answer's audio is optional."""
        nullable = ("source_label",) if self.constructed else NULLABLE_COLUMNS
        text = tuple(name for name in TEXT_COLUMNS if name not in nullable)
        return text + (tuple(f"question_{field}" for field in CLIP_FIELDS) if self.spoken else ())

    @property
    def sides(self) -> tuple[str, ...]:
        """What is spoken."""
        return ("question", "answer") if self.spoken else ()


def manifest_expectations(params: ExpectationParams, traits: Traits) -> "list[Expectation]":
    """What only the whole manifest can show: its columns, its splits, and what must be unique across them."""
    from great_expectations import expectations as gxe

    columns = list(SAMPLE_COLUMNS if traits.spoken else TEXT_COLUMNS)
    unique = gxe.ExpectColumnValuesToBeUnique
    return [
        gxe.ExpectTableColumnsToMatchSet(column_set=columns),
        # A row without a split would be in none of the splits' suites.
        gxe.ExpectColumnValuesToNotBeNull(column="split"),
        gxe.ExpectColumnDistinctValuesToEqualSet(column="split", value_set=list(params.splits)),
        unique(column="uid"),
        *(unique(column=f"{side}_audio") for side in traits.sides),
        *(unique(column=f"{side}_sha256", severity="warning") for side in traits.sides),
    ]


def split_expectations(split: str, params: ExpectationParams, traits: Traits) -> "list[Expectation]":
    """What holds of the rows of one split, with their derived columns."""
    return [
        *_text_expectations(traits),
        *_disjointness_expectations(params, traits),
        *_balance_expectations(split, params),
        *(expectation for side in traits.sides for expectation in _clip_expectations(side, params)),
    ]


def _text_expectations(traits: Traits) -> "list[Expectation]":
    """Schema, ids, labels and verdicts."""
    from great_expectations import expectations as gxe

    values, pairs = gxe.ExpectColumnValuesToBeInSet, gxe.ExpectColumnPairValuesToBeEqual
    return [
        *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in traits.filled),
        gxe.ExpectColumnValuesToMatchRegex(column="id", regex=f"^{ID_PATTERN}$"),
        pairs(column_A="uid", column_B="derived_uid"),
        values(column="label", value_set=[0, 1]),
        values(column="source_label", value_set=[0, 1]),
        values(column="reference_verdict", value_set=list(VERDICTS)),
        values(column="claim_kind", value_set=list(CLAIM_KINDS)),
        pairs(column_A="label_conflict", column_B="derived_label_conflict"),
        pairs(column_A="reference_verdict", column_B="derived_stated_verdict"),
        gxe.ExpectColumnValuesToBeUnique(column="user_content", severity="warning"),
    ]


def _disjointness_expectations(params: ExpectationParams, traits: Traits) -> "list[Expectation]":
    """No group of rows stands in another split too."""
    from great_expectations import expectations as gxe

    groups = GROUP_COLUMNS if traits.spoken else tuple(name for name in GROUP_COLUMNS if name in TEXT_COLUMNS)
    return [
        gxe.ExpectColumnValuesToBeInSet(column=f"derived_splits_of_{name}", value_set=[1], severity=params.leaks)
        for name in groups
    ]


def _balance_expectations(split: str, params: ExpectationParams) -> "list[Expectation]":
    """The labels' balance: a share, or the counts that were published."""
    from great_expectations import expectations as gxe

    severity = params.class_balance_severity
    if params.class_balance == "bounds":
        low, high = params.min_entailed, params.max_entailed
        return [gxe.ExpectColumnMeanToBeBetween(column="label", min_value=low, max_value=high, severity=severity)]
    rows, entailed = int(PAPER[split]["rows"]), int(PAPER[split]["entailed"])
    return [
        gxe.ExpectTableRowCountToEqual(value=rows, severity=severity),
        gxe.ExpectColumnSumToBeBetween(column="label", min_value=entailed, max_value=entailed, severity=severity),
    ]


def _clip_expectations(side: str, params: ExpectationParams) -> "list[Expectation]":
    """Path, checksum, duration and speech of the clips of one side."""
    from great_expectations import expectations as gxe

    pattern, between = gxe.ExpectColumnValuesToMatchRegex, gxe.ExpectColumnValuesToBeBetween
    shortest, longest = (
        (params.min_seconds, params.max_seconds)
        if side == "question"
        else (params.min_answer_seconds, params.max_answer_seconds)
    )
    slowest, fastest = params.min_words_per_second, params.max_words_per_second
    expectations: list[Expectation] = [
        pattern(column=f"{side}_audio", regex=AUDIO_PATH_PATTERN),
        pattern(column=f"{side}_sha256", regex=f"^{SHA256_PATTERN}$"),
        between(column=f"{side}_seconds", min_value=shortest, max_value=longest),
        between(column=f"derived_{side}_words_per_second", min_value=slowest, max_value=fastest),
        between(column=f"derived_{side}_speech_share", min_value=params.min_speech_share, max_value=1.0),
        between(column=f"{side}_loudness_db", max_value=0.1),
    ]
    if side == "answer":  # spoken or not, but not by half
        whole = [0, len(CLIP_FIELDS)]
        expectations.append(gxe.ExpectColumnValuesToBeInSet(column="derived_answer_fields", value_set=whole))
    return expectations

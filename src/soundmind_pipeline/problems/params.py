"""Parameters of the embedded problem source."""

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from soundmind_pipeline.params import Params
from soundmind_pipeline.problems.verified.language import WORDS


class SplitCounts(Params):
    """How many problems each split holds."""

    train: int = Field(default=3000, ge=1)
    """Problems that supervised warm-up and reinforcement learning train on."""

    dev: int = Field(default=200, ge=1)
    """Problems that recipes are chosen on."""

    test: int = Field(default=500, ge=1)
    """Held-out problems, read once a reported run."""


class FamilyMix(Params):
    """Relative weights of the major premise's connectives; a weight of 0 leaves a family out."""

    if_then: float = Field(default=0.48, ge=0)
    """Weight of "if p then q"."""

    only_if: float = Field(default=0.34, ge=0)
    """Weight of "p only if q", which means: if p then q."""

    reversed_if: float = Field(default=0.0, ge=0)
    """Weight of "p if q", which means: if q then p."""

    either_or: float = Field(default=0.09, ge=0)
    """Weight of the inclusive "either p or q"."""

    not_both: float = Field(default=0.09, ge=0)
    """Weight of "not both p and q"."""

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if sum(dict(self).values()) <= 0:
            raise ValueError("at least one family needs a weight above 0")
        return self


class ClaimMix(Params):
    """How often the premises allow a conclusion, and how often the claim is the opposite of the tempting one."""

    valid: float = Field(default=0.5, ge=0, le=1)
    """Share of problems whose premises entail the natural claim; the rest invite a fallacy."""

    opposite: float = Field(default=0.1, ge=0, le=1)
    """Share of claims that are the opposite of the natural one, hence never entailed."""


class FallacyRates(Params):
    """How often the teacher draws the fallacious conclusion of each invalid form; else it is right."""

    AC: float = Field(default=0.67, ge=0, le=1)
    """Affirming the consequent: if p then q, q, so p."""

    DA: float = Field(default=0.67, ge=0, le=1)
    """Denying the antecedent: if p then q, not p, so not q."""

    AD: float = Field(default=0.67, ge=0, le=1)
    """Affirming a disjunct: p or q, p, so not q."""

    DC: float = Field(default=0.67, ge=0, le=1)
    """Denying a conjunct: not both p and q, not p, so q."""


class VerifiedParams(Params):
    """The generator of verified problems: what the questions are about, in which mix, and how its teacher errs."""

    seed: int = Field(default=0, ge=0)
    """Seed of the problems and of the teacher's errors; each split draws from a stream of its own."""

    counts: SplitCounts = SplitCounts()
    """Number of problems of each split."""

    names: tuple[str, ...] = ("tom", "anna", "peter", "julia", "david", "victor")
    """Whom the problems are about, in lower case."""

    adjectives: tuple[str, ...] = ("happy", "rich", "brave", "hungry", "strong", "proud", "awake")
    """What is said of them, in lower case; an atom is a name and an adjective."""

    families: FamilyMix = FamilyMix()
    """Weights of the connectives of the major premise."""

    conditional_claims: ClaimMix = ClaimMix()
    """Claims of the families in which one must look up which side the minor premise names."""

    symmetric_claims: ClaimMix = ClaimMix(valid=0.7, opposite=0.3)
    """Claims of "either … or" and "not both … and", whose sides are alike."""

    negated_major_rate: float = Field(default=0.0, ge=0, le=1)
    """Probability that a literal of the major premise is negated ("if tom is not happy then …")."""

    fallacies: FallacyRates = FallacyRates()
    """The fallible teacher's error rates."""

    dev_share: float = Field(default=0.10, gt=0, lt=0.5)
    """Share of the atom pairs that only dev problems use, chosen by hash."""

    test_share: float = Field(default=0.20, gt=0, lt=0.5)
    """Share of the atom pairs that only test problems use, chosen by hash."""

    min_test_pairs: int = Field(default=100, ge=1)
    """Fewest atom pairs that the test split must hold; a lexicon that gives fewer is refused."""

    @field_validator("names", "adjectives")
    @classmethod
    def _plain_words(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        bad = [word for word in words if not re.fullmatch("[a-z]+", word) or word in WORDS]
        if bad:
            raise ValueError(f"not plain lower-case words, or words of the questions' own wording: {', '.join(bad)}")
        if len(set(words)) < max(2, len(words)):
            raise ValueError("needs at least two words, all different")
        return words

    @model_validator(mode="after")
    def _no_word_twice(self) -> Self:
        both = set(self.names) & set(self.adjectives)
        if both:
            raise ValueError(f"both a name and an adjective: {', '.join(sorted(both))}")
        return self

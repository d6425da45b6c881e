"""Parameters of the embedded problem source."""

import re
from typing import Final, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from soundmind_pipeline.params import Params
from soundmind_pipeline.problems.verified.language import WORDS
from soundmind_pipeline.problems.verified.wide import lexicon

_FEWEST_WIDE_WORDS: Final = {"names": 4, "adjectives": 8, "classes": 10, "verbs": 10, "places": 1}
"""What the longest problem with the most distractors may need."""


class SplitCounts(Params):
    """How many problems each split holds."""

    train: int = Field(default=3000, ge=1)
    """Problems that supervised warm-up and reinforcement learning train on."""

    dev: int = Field(default=200, ge=1)
    """Problems that recipes are chosen on."""

    test: int = Field(default=500, ge=1)
    """Held-out problems, read once a reported run."""


class FamilyMix(Params):
    """Relative weights of the families; a weight of 0 leaves a family out.

    The first five are the nano recipe's, over two atoms and in one wording; the others are *wide* (``WideParams``).
    """

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

    conditional: float = Field(default=0.0, ge=0)
    """Weight of one conditional in many wordings, with negated sides and distractors."""

    biconditional: float = Field(default=0.0, ge=0)
    """Weight of "p if and only if q"."""

    chain: float = Field(default=0.0, ge=0)
    """Weight of two to four conditionals in a row, told in any order."""

    disjunction: float = Field(default=0.0, ge=0)
    """Weight of inclusive and exclusive disjunctions of two to four terms."""

    dilemma: float = Field(default=0.0, ge=0)
    """Weight of a disjunction each of whose terms leads to the claim."""

    syllogism: float = Field(default=0.0, ge=0)
    """Weight of categorical syllogisms, in all figures and moods."""

    scope: float = Field(default=0.0, ge=0)
    """Weight of quantifier scope: "everyone likes someone" against "someone is liked by everyone"."""

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

    BI: float = Field(default=0.67, ge=0, le=1)
    """Biconditional, irrelevant fact: p if and only if q, r, so q."""

    CC: float = Field(default=0.67, ge=0, le=1)
    """Converse up a chain: the last consequent, so the first antecedent."""

    CI: float = Field(default=0.67, ge=0, le=1)
    """Inverse down a chain: not the first antecedent, so not the last consequent."""

    HC: float = Field(default=0.67, ge=0, le=1)
    """Hypothetical syllogism read backwards: if p then q, if q then r, so if r then p."""

    BL: float = Field(default=0.67, ge=0, le=1)
    """Broken link: a chain with one conditional turned round, read as if it were whole."""

    PD: float = Field(default=0.67, ge=0, le=1)
    """Partial denial: p or q, not r, so q."""

    NX: float = Field(default=0.67, ge=0, le=1)
    """Exclusive disjunction, irrelevant fact: exactly one of p and q, r, so not q."""

    ID: float = Field(default=0.67, ge=0, le=1)
    """Incomplete dilemma: p or q, if p then r, if q then s, so r."""

    UM: float = Field(default=0.67, ge=0, le=1)
    """Undistributed middle: all P are M, all S are M, so all S are P."""

    IA: float = Field(default=0.67, ge=0, le=1)
    """Illicit major: all M are P, no S are M, so no S are P."""

    II: float = Field(default=0.67, ge=0, le=1)
    """Illicit minor: all M are P, all M are S, so all S are P."""

    EP: float = Field(default=0.67, ge=0, le=1)
    """Exclusive premises: no M are P, no S are M, so no S are P."""

    AN: float = Field(default=0.67, ge=0, le=1)
    """Affirmative conclusion from a negative premise."""

    NA: float = Field(default=0.67, ge=0, le=1)
    """Negative conclusion from affirmative premises."""

    EF: float = Field(default=0.67, ge=0, le=1)
    """Existential fallacy: all M are P, all S are M, so some S are P."""

    SS: float = Field(default=0.67, ge=0, le=1)
    """Scope shift: everyone likes someone, so someone is liked by everyone."""

    SC: float = Field(default=0.67, ge=0, le=1)
    """Converse of an inclusion: whoever likes somebody helps them, read from helping to liking."""


class WideParams(Params):
    """The wide families: their words, their claims, how hard they are, and how they are told."""

    names: tuple[str, ...] = lexicon.NAMES
    """Whom propositional problems are about, in lower case."""

    adjectives: tuple[str, ...] = lexicon.ADJECTIVES
    """What is said of them, in lower case."""

    classes: tuple[str, ...] = lexicon.CLASSES
    """Classes of syllogisms: singular nouns in lower case whose plural ends in -s."""

    verbs: tuple[str, ...] = lexicon.VERBS
    """Relations of scope problems: regular verbs in the infinitive."""

    places: tuple[str, ...] = lexicon.PLACES
    """The groups within which relations are said to hold."""

    claims: ClaimMix = ClaimMix()
    """Share of problems whose premises entail the natural claim, and share of opposite claims.

    Syllogistic fallacies have natural claims only."""

    levels: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)
    """Relative weights of the difficulty levels 1, 2, …; a form that reaches none of them takes its nearest level."""

    max_distractors: int = Field(default=3, ge=0, le=3)
    """Most irrelevant premises of one problem; each adds 1 to the difficulty."""

    negated_sides: Literal["none", "alike", "mixed"] = "mixed"
    """Which sides of conditionals, disjunctions and the like may be negated (it adds 1 to the difficulty): none, all of
    a problem's together, or any. Mixed signs tell which side a fact is about."""

    existential_import: bool = False
    """Whether every class has a member, as in traditional logic (24 valid moods, else 15); the question says which."""

    matched_moods: bool = False
    """Only moods whose letters are valid in one figure and invalid in another, so that letters tell nothing."""

    @field_validator(*_FEWEST_WIDE_WORDS)
    @classmethod
    def _plain_words(cls, words: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        fewest = _FEWEST_WIDE_WORDS[str(info.field_name)]
        bad = [word for word in words if not re.fullmatch("[a-z]+", word)]
        if bad:
            raise ValueError(f"not plain lower-case words: {', '.join(bad)}")
        if len(set(words)) < max(fewest, len(words)):
            raise ValueError(f"needs at least {fewest} words, all different")
        return words

    @field_validator("levels")
    @classmethod
    def _some_level(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if not levels or min(levels) < 0 or sum(levels) <= 0:
            raise ValueError("needs weights of 0 or more, and one above 0")
        return levels


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

    wide: WideParams = WideParams()
    """The wide families; without effect where their weights in ``families`` are 0."""

    dev_share: float = Field(default=0.10, gt=0, lt=0.5)
    """Share of the leak groups (sets of words) that only dev problems use, chosen by hash."""

    test_share: float = Field(default=0.20, gt=0, lt=0.5)
    """Share of the leak groups (sets of words) that only test problems use, chosen by hash."""

    min_test_pairs: int = Field(default=100, ge=1)
    """Fewest atom pairs that the test split must hold for the nano recipe's families; fewer are refused."""

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

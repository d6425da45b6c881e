"""The mix of problems: how many of each kind a split holds, and which words belong to which split."""

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.params import VerifiedParams
from soundmind_pipeline.problems.schema import CLAIM_KINDS, SPLITS
from soundmind_pipeline.problems.verified.families import CONDITIONALS, FAMILIES, VALID_FORMS, Atom, forms_of
from soundmind_pipeline.problems.verified.wide.drawing import form_weights, kinds_of, levels_of
from soundmind_pipeline.problems.verified.wide.forms import WIDE_FAMILIES

Pair = tuple[Atom, Atom]


class Cell(NamedTuple):
    """What a problem is like, apart from its words; ``level`` is the difficulty of a wide problem, else 0."""

    family: str
    form: str
    claim_kind: str
    level: int = 0


def leak_group(core_words: Iterable[str]) -> str:
    """16 hex digits that name what a problem is about: rows that share it would leak across splits."""
    return hashlib.sha256("|".join(sorted(core_words)).encode()).hexdigest()[:16]


def split_of(group: str, params: VerifiedParams) -> str:
    """The split that a leak group belongs to: by its hash, so for every seed and every size the same."""
    share = int(group, 16) / 16**16
    if share < params.test_share:
        return "test"
    return "dev" if share < params.test_share + params.dev_share else "train"


def split_pairs(params: VerifiedParams) -> dict[str, list[Pair]]:
    """All unordered pairs of atoms that differ in name and in adjective, by split; for the nano recipe's families.

    Raises:
        SoundmindError: A split has no pair, or the test split fewer than ``min_test_pairs``.
    """
    atoms = [Atom(name, adjective) for name in params.names for adjective in params.adjectives]
    pairs: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for one, other in itertools.combinations(atoms, 2):
        if one.name != other.name and one.adjective != other.adjective:
            group = leak_group(f"{atom.name} {atom.adjective}" for atom in (one, other))
            pairs[split_of(group, params)].append((one, other))
    needs = {"train": 1, "dev": 1, "test": params.min_test_pairs}
    for split, needed in needs.items():
        if len(pairs[split]) < needed:
            raise SoundmindError(
                f"verified.names ({len(params.names)}) and verified.adjectives ({len(params.adjectives)}) give the "
                f"{split} split {len(pairs[split])} pairs of atoms; it needs {needed}",
                "Add names or adjectives, raise verified.test_share or verified.dev_share, "
                "or lower verified.min_test_pairs.",
            )
    return pairs


def cell_shares(params: VerifiedParams) -> dict[Cell, float]:
    """The share of each kind of problem; the shares sum to 1."""
    weights = dict(params.families)
    total = sum(weights.values())
    shares = {}
    for family in FAMILIES:
        claims = params.conditional_claims if family in CONDITIONALS else params.symmetric_claims
        forms = forms_of(family)
        for form, kind in itertools.product(forms, CLAIM_KINDS):
            valid = form in VALID_FORMS
            alike = sum((other in VALID_FORMS) == valid for other in forms)
            share = weights[family] / total
            share *= (claims.valid if valid else 1 - claims.valid) / alike
            shares[Cell(family, form, kind)] = share * (claims.opposite if kind == "opposite" else 1 - claims.opposite)
    for family in WIDE_FAMILIES:
        if weights[family]:
            for cell, share in _wide_shares(family, params):
                shares[cell] = weights[family] / total * share
    return shares


def _wide_shares(family: str, params: VerifiedParams) -> Iterator[tuple[Cell, float]]:
    """The cells of one wide family; their shares sum to 1."""
    claims = params.wide.claims
    for valid, part in ((True, claims.valid), (False, 1 - claims.valid)):
        forms = form_weights(family, valid, params.wide)
        for form, weight in forms.items():
            kinds = {"natural": 1.0}
            if len(kinds_of(family, form)) > 1:
                kinds = {"natural": 1 - claims.opposite, "opposite": claims.opposite}
            levels = _level_shares(list(levels_of(family, form, params.wide)), params.wide.levels)
            for (kind, kind_share), (level, level_share) in itertools.product(kinds.items(), levels.items()):
                yield Cell(family, form, kind, level), part * weight / sum(forms.values()) * kind_share * level_share


def _level_shares(reached: list[int], wanted: tuple[float, ...]) -> dict[int, float]:
    """Shares of the levels that a form reaches, in the wanted proportions; the nearest level if none is wanted."""
    weights = {level: weight for level, weight in enumerate(wanted, start=1) if weight > 0}
    both = {level: weights[level] for level in sorted(reached) if level in weights}
    if not both:
        return {min(reached, key=lambda level: min(abs(level - aim) for aim in weights)): 1.0}
    return {level: weight / sum(both.values()) for level, weight in both.items()}


def cell_counts(total: int, params: VerifiedParams) -> dict[Cell, int]:
    """How many problems of each kind a split of ``total`` holds.

    Cells of the wide families are many and small: rounding each by itself would starve the rare forms. So their running
    total is rounded instead, and every form and family comes to within one of its share as well.
    """
    shares = cell_shares(params)
    nano = {cell: share for cell, share in shares.items() if not cell.level}
    if len(nano) == len(shares):
        return apportion(total, shares)
    nano_share = sum(nano.values())
    nano_total = round(total * nano_share)
    counts = apportion(nano_total, {cell: share / (nano_share or 1) for cell, share in nano.items()})
    reached, exact = nano_total, total * nano_share
    for cell, share in shares.items():
        if cell.level:
            exact += total * share
            # Half up, with a grain for the rounding errors of the sum.
            counts[cell] = math.floor(exact + 0.5 + 1e-9) - reached
            reached += counts[cell]
    return counts


def apportion(total: int, shares: Mapping[Cell, float]) -> dict[Cell, int]:
    """Whole numbers that sum to ``total``, each within one of its share (largest remainder)."""
    exact = {cell: total * share for cell, share in shares.items()}
    counts = {cell: math.floor(value) for cell, value in exact.items()}
    by_remainder = sorted(exact, key=lambda cell: counts[cell] - exact[cell])
    for cell in by_remainder[: total - sum(counts.values())]:
        counts[cell] += 1
    return counts

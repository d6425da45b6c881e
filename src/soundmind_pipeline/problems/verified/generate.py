"""Generate the verified problems of every split, with the fallible teacher's chains of thought.

Three rules hold whatever the parameters:

* No pair of atoms occurs in two splits. An unordered pair belongs to the split that its hash says, so the held-out
  pairs are the same for every seed and stay so when a split grows.
* No question occurs twice.
* Each split holds families, forms and claims in the asked shares to within one problem, and uses its pairs evenly.
"""

import hashlib
import itertools
import json
import math
import random
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.params import VerifiedParams
from soundmind_pipeline.problems.schema import CLAIM_KINDS, SPLITS, TEXT_DTYPES
from soundmind_pipeline.problems.verified import language
from soundmind_pipeline.problems.verified.families import (
    CONDITIONALS,
    FAMILIES,
    VALID_FORMS,
    Atom,
    Problem,
    forms_of,
)
from soundmind_pipeline.problems.verified.logic import Literal, find_countermodel
from soundmind_pipeline.problems.verified.teacher import Proof, teach

Pair = tuple[Atom, Atom]

TRIES_PER_PAIR = 8
"""Draws for one pair of atoms before the next pair is tried, when the question exists already."""


class Cell(NamedTuple):
    """What a problem is like, apart from its atoms."""

    family: str
    form: str
    claim_kind: str


def generate_samples(params: VerifiedParams) -> pd.DataFrame:
    """The text columns of the sample table for all splits, in the order train, dev, test.

    The same parameters give the same frame; the audio columns are absent.

    Raises:
        SoundmindError: The lexicon gives too few pairs of atoms, or too few questions for a split.
    """
    pairs = split_pairs(params)
    rows = []
    for split in SPLITS:
        # One stream a split: enlarging one leaves the others as they were.
        rng = random.Random(f"{params.seed}/{split}")
        for number, problem in enumerate(_draw_problems(split, pairs[split], params, rng), start=1):
            rows.append(_row(split, f"{number:04d}", problem, teach(problem, params.fallacies, rng), params.seed))
    return pd.DataFrame(rows, columns=list(TEXT_DTYPES)).astype(TEXT_DTYPES)


def leak_group(pair: Pair) -> str:
    """16 hex digits that name the unordered pair of atoms: rows that share it would leak across splits."""
    text = "|".join(sorted(f"{atom.name} {atom.adjective}" for atom in pair))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def split_pairs(params: VerifiedParams) -> dict[str, list[Pair]]:
    """All unordered pairs of atoms that differ in name and in adjective, by the split that their hash says.

    Raises:
        SoundmindError: A split has no pair, or the test split fewer than ``min_test_pairs``.
    """
    atoms = [Atom(name, adjective) for name in params.names for adjective in params.adjectives]
    pairs: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for one, other in itertools.combinations(atoms, 2):
        if one.name == other.name or one.adjective == other.adjective:
            continue
        share = int(leak_group((one, other)), 16) / 16**16
        held_out = (
            "test" if share < params.test_share else "dev" if share < params.test_share + params.dev_share else None
        )
        pairs[held_out or "train"].append((one, other))
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
    shares = {}
    for family in FAMILIES:
        claims = params.conditional_claims if family in CONDITIONALS else params.symmetric_claims
        forms = forms_of(family)
        for form, kind in itertools.product(forms, CLAIM_KINDS):
            valid = form in VALID_FORMS
            alike = sum((other in VALID_FORMS) == valid for other in forms)
            share = weights[family] / sum(weights.values())
            share *= (claims.valid if valid else 1 - claims.valid) / alike
            shares[Cell(family, form, kind)] = share * (claims.opposite if kind == "opposite" else 1 - claims.opposite)
    return shares


def apportion(total: int, shares: Mapping[Cell, float]) -> dict[Cell, int]:
    """Whole numbers that sum to ``total``, each within one of its share (largest remainder)."""
    exact = {cell: total * share for cell, share in shares.items()}
    counts = {cell: math.floor(value) for cell, value in exact.items()}
    by_remainder = sorted(exact, key=lambda cell: counts[cell] - exact[cell])
    for cell in by_remainder[: total - sum(counts.values())]:
        counts[cell] += 1
    return counts


def _draw_problems(split: str, pairs: list[Pair], params: VerifiedParams, rng: random.Random) -> list[Problem]:
    """The problems of one split, shuffled, no question twice."""
    counts = apportion(dict(params.counts)[split], cell_shares(params))
    cells = [cell for cell, count in counts.items() for _ in range(count)]
    rng.shuffle(cells)
    pairs = rng.sample(pairs, len(pairs))
    problems: list[Problem] = []
    seen: set[str] = set()
    for place, cell in enumerate(cells):
        for attempt in range(TRIES_PER_PAIR * len(pairs)):
            pair = pairs[(place + attempt // TRIES_PER_PAIR) % len(pairs)]
            problem = _draw_problem(cell, pair, params.negated_major_rate, rng)
            question = language.question(problem)
            if question not in seen:
                break
        else:
            raise SoundmindError(
                f"verified.counts.{split} asks for {len(cells)} questions; the {len(pairs)} pairs of atoms of that "
                f"split give no more of the kind {'/'.join(cell)} after {place}",
                f"Lower verified.counts.{split}, or add names or adjectives.",
            )
        seen.add(question)
        problems.append(problem)
    return problems


def _draw_problem(cell: Cell, pair: Pair, negated_rate: float, rng: random.Random) -> Problem:
    """One problem of the kind ``cell`` about ``pair``, in either order and with either side named second."""
    atoms = pair if rng.random() < 0.5 else (pair[1], pair[0])
    major = (rng.random() >= negated_rate, rng.random() >= negated_rate)
    minors = [Literal(atom, sign) for atom in (0, 1) for sign in (True, False)]
    drafts = [Problem(cell.family, atoms, major, minor, Literal(1 - minor.atom, True)) for minor in minors]
    draft = rng.choice([draft for draft in drafts if draft.form == cell.form])
    natural = draft.natural_claim
    claim = natural if cell.claim_kind == "natural" else natural.opposite
    return Problem(cell.family, atoms, major, draft.minor, claim)


def _row(split: str, number: str, problem: Problem, proof: Proof, seed: int) -> dict[str, Any]:
    """One row of the sample table."""
    label = problem.label
    return {
        "split": split,
        "id": number,
        "uid": f"{split}/{number}",
        "user_content": language.question(problem),
        "major_premise": language.major_premise(problem),
        "minor_premise": language.minor_premise(problem),
        "conclusion": language.conclusion(problem),
        "reference_reasoning": proof.reasoning,
        "reference_answer": proof.response,
        "reference_verdict": proof.verdict,
        "label": label,
        "source_label": None,
        "label_conflict": (proof.verdict == language.ENTAILED) != bool(label),
        "leak_group": leak_group(problem.atoms),
        "family": problem.family,
        "form": problem.form,
        "claim_kind": problem.claim_kind,
        "difficulty": problem.difficulty,
        "problem": problem.to_json(),
        "provenance": json.dumps(_provenance(problem, proof, seed)),
    }


def _provenance(problem: Problem, proof: Proof, seed: int) -> dict[str, Any]:
    """Where a row comes from; the countermodel is the certificate of a label 0, null for a label 1."""
    model = find_countermodel(problem.premises, problem.claim)
    countermodel = None
    if model is not None:
        countermodel = {language.say(problem, Literal(atom, True)): value for atom, value in model.items()}
    return {
        "source": "verified",
        "seed": seed,
        "teacher": "fallible",
        "teacher_drew": proof.drew,
        "countermodel": countermodel,
    }

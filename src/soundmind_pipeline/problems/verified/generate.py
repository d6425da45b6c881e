"""Generate the verified problems of every split: triplets and labels, then prompts, then the fallible teacher's proofs.

Rules that hold whatever the parameters:

* No leak group occurs in two splits: neither a pair of atoms of the nano recipe, nor the set of words that the relevant
  part of a wide problem is about. A group belongs to the split that its hash says, so the held-out groups are the same
  for every seed and stay so when a split grows.
* No question occurs twice, nor does a wide problem in other words or with other distractors.
* Each split holds families, forms, claims and levels in the asked shares to within one problem.
* Every label has a proof, kept under ``proof`` in the provenance (:func:`.problems.check_proof`).

The three steps are functions of the rows alone: the wording and the teacher's luck are drawn with the problem and kept
in ``problem`` and in the provenance. So a step may be left to a language model, and another rate of slips turns only
those verdicts that it must.
"""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.params import FallacyRates, VerifiedParams
from soundmind_pipeline.problems.schema import SPLITS, TEXT_DTYPES
from soundmind_pipeline.problems.verified import language
from soundmind_pipeline.problems.verified.families import FAMILIES, Problem
from soundmind_pipeline.problems.verified.logic import Literal
from soundmind_pipeline.problems.verified.mix import (
    Cell,
    Pair,
    cell_counts,
    leak_group,
    split_of,
    split_pairs,
)
from soundmind_pipeline.problems.verified.problems import VerifiedProblem, read_problem, texts_of
from soundmind_pipeline.problems.verified.teacher import teach
from soundmind_pipeline.problems.verified.wide.drawing import draw_argument, levels_of
from soundmind_pipeline.problems.verified.wide.wording import say

TRIES_PER_PAIR: Final = 8
"""Draws for one pair of atoms before the next pair is tried, when the question exists already."""

WIDE_TRIES: Final = 400
"""Draws of one wide problem that has not been asked yet, before the words are taken to be used up."""


def generate_samples(params: VerifiedParams) -> pd.DataFrame:
    """The text columns of the sample table for all splits, in the order train, dev, test; all three steps.

    The same parameters give the same frame; the audio columns are absent.

    Raises:
        SoundmindError: The lexicon gives too few pairs of atoms, or too few questions for a split.
    """
    return teach_triplets(colloquialize_triplets(generate_triplets(params)), params.fallacies)


def generate_triplets(params: VerifiedParams) -> pd.DataFrame:
    """Problems, premises and proved labels; prompt and reference are null, and nothing conflicts yet.

    Raises:
        SoundmindError: The lexicon gives too few pairs of atoms, or too few questions for a split.
    """
    uses_pairs = any(dict(params.families)[family] > 0 for family in FAMILIES)
    pairs = split_pairs(params) if uses_pairs else {split: [] for split in SPLITS}
    rows = []
    for split in SPLITS:
        # One stream a split: enlarging one leaves the others as they were.
        rng = random.Random(f"{params.seed}/{split}")
        for number, problem in enumerate(_draw_problems(split, pairs[split], params, rng), start=1):
            rows.append(_row(split, f"{number:04d}", problem, {"seed": params.seed, "teacher_die": rng.random()}))
    return pd.DataFrame(rows, columns=list(TEXT_DTYPES)).astype(TEXT_DTYPES)


def colloquialize_triplets(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with ``user_content`` in the problem's own wording where it is null.

    Raises:
        SoundmindError: A row without a prompt holds no verified problem.
    """
    return _fill(rows, "user_content", _word)


def teach_triplets(rows: pd.DataFrame, rates: FallacyRates) -> pd.DataFrame:
    """The rows with the fallible teacher's reference where ``reference_answer`` is null.

    Args:
        rows: Text columns of the sample table; whose prompt was worded by others has its reasoning in these words too.
        rates: How often each fallacy is committed.

    Raises:
        SoundmindError: A row without a reference holds no verified problem.
    """
    return _fill(rows, "reference_answer", lambda row: _teach(row, rates))


def _fill(rows: pd.DataFrame, empty: str, step: Callable[[Mapping[Any, Any]], dict[str, Any]]) -> pd.DataFrame:
    """A copy of ``rows`` in which ``step`` has filled those whose column ``empty`` is null."""
    todo = rows[empty].isna()
    if not todo.any():
        return rows
    bare = rows.loc[todo & rows["problem"].isna(), "uid"]
    if len(bare):
        raise SoundmindError(
            f"{len(bare)} rows hold no verified problem, first {', '.join(bare[:3])}: {empty} cannot be made from it",
            "Let a language model do this step (kind: endpoint), or take the source `verified`.",
        )
    filled = rows.copy()
    columns = [step(row) for row in rows.loc[todo, ["label", "problem", "provenance"]].to_dict("records")]
    for name in columns[0]:
        filled.loc[todo, name] = [values[name] for values in columns]
    return filled.astype({name: kind for name, kind in TEXT_DTYPES.items() if name in filled.columns})


def _word(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What colloquialization sets."""
    return {
        "user_content": texts_of(read_problem(row["problem"])).question,
        "provenance": _add(row["provenance"], "colloquialization", {"kind": "embedded", "wording": "verified"}),
    }


def _teach(row: Mapping[Any, Any], rates: FallacyRates) -> dict[str, Any]:
    """What teaching sets."""
    proof = teach(read_problem(row["problem"]), rates, json.loads(row["provenance"])["teacher_die"])
    return {
        "reference_reasoning": proof.reasoning,
        "reference_answer": proof.response,
        "reference_verdict": proof.verdict,
        "label_conflict": (proof.verdict == language.ENTAILED) != bool(row["label"]),
        "provenance": _add(row["provenance"], "teacher", {"kind": "embedded", "drew": proof.drew}),
    }


def _add(provenance: str, step: str, facts: Mapping[str, Any]) -> str:
    return json.dumps({**json.loads(provenance), step: facts})


def _draw_problems(split: str, pairs: list[Pair], params: VerifiedParams, rng: random.Random) -> list[VerifiedProblem]:
    """The problems of one split, shuffled, no question twice."""
    counts = cell_counts(dict(params.counts)[split], params)
    cells = [cell for cell, count in counts.items() for _ in range(count)]
    rng.shuffle(cells)
    pairs = rng.sample(pairs, len(pairs))
    problems: list[VerifiedProblem] = []
    seen: set[object] = set()
    for place, cell in enumerate(cells):
        if cell.family in FAMILIES:
            problem, supply = _draw_new(cell, place, pairs, params, seen, rng), f"{len(pairs)} pairs of atoms"
        else:
            problem, supply = _draw_new_wide(cell, split, params, seen, rng), "words of verified.wide"
        if problem is None:
            raise SoundmindError(
                f"verified.counts.{split} asks for {len(cells)} questions; the {supply} of that "
                f"split give no more of the kind {'/'.join(map(str, cell))} after {place}",
                f"Lower verified.counts.{split}, or add names or adjectives (wide: classes, verbs or places too).",
            )
        problems.append(problem)
    return problems


def _draw_new(
    cell: Cell, place: int, pairs: list[Pair], params: VerifiedParams, seen: set[object], rng: random.Random
) -> VerifiedProblem | None:
    """A problem of the nano recipe's families whose question is not among ``seen``; it is added there."""
    for attempt in range(TRIES_PER_PAIR * len(pairs)):
        pair = pairs[(place + attempt // TRIES_PER_PAIR) % len(pairs)]
        problem = _draw_problem(cell, pair, params.negated_major_rate, rng)
        question = language.question(problem)
        if question not in seen:
            seen.add(question)
            return problem
    return None


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


def _draw_new_wide(
    cell: Cell, split: str, params: VerifiedParams, seen: set[object], rng: random.Random
) -> VerifiedProblem | None:
    """A wide problem that is not among ``seen``, whatever its wording and distractors; it is added there."""
    structures = levels_of(cell.family, cell.form, params.wide)[cell.level]
    for _ in range(WIDE_TRIES):
        structure = rng.choice(structures)
        argument = draw_argument(
            cell[:3], structure, params.wide, lambda words: split_of(leak_group(words), params) == split, rng
        )
        if argument is None:
            return None
        core = (frozenset(say(argument, premise) for premise in argument.core), say(argument, argument.claim))
        if core not in seen:
            seen.add(core)
            return argument
    return None


def _row(split: str, number: str, problem: VerifiedProblem, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the sample table before the steps that word and teach it."""
    texts = texts_of(problem)
    return {
        "split": split,
        "id": number,
        "uid": f"{split}/{number}",
        "major_premise": texts.major_premise,
        "minor_premise": texts.minor_premise,
        "conclusion": texts.conclusion,
        "label": problem.label,
        "label_conflict": False,
        "leak_group": leak_group(problem.core_words),
        "family": problem.family,
        "form": problem.form,
        "claim_kind": problem.claim_kind,
        "difficulty": problem.difficulty,
        "problem": problem.to_json(),
        "provenance": json.dumps({"source": "verified", **drawn, "proof": problem.certificate.to_json()}),
    }

"""The generator: determinism, disjoint splits, no duplicates, exact shares, refusals."""

import json
from collections import Counter

import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.params import ClaimMix, FallacyRates, FamilyMix, SplitCounts, VerifiedParams
from soundmind_pipeline.problems.schema import AUDIO_COLUMNS, TEXT_COLUMNS, TEXT_DTYPES, validate_row
from soundmind_pipeline.problems.verified.checker import check_reasoning
from soundmind_pipeline.problems.verified.families import CONDITIONALS, Problem
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.problems.verified.mix import (
    Cell,
    apportion,
    cell_counts,
    cell_shares,
    leak_group,
    split_pairs,
)
from soundmind_pipeline.problems.verified.problems import check_proof

SMALL = VerifiedParams(counts=SplitCounts(train=120, dev=20, test=40))


@pytest.fixture(scope="module")
def frame():
    return generate_samples(VerifiedParams())


def test_the_default_frame_is_whole(frame):
    assert tuple(frame.columns) == TEXT_COLUMNS
    assert not set(AUDIO_COLUMNS) & set(frame.columns)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == TEXT_DTYPES
    assert frame["split"].value_counts().to_dict() == {"train": 3000, "test": 500, "dev": 200}
    assert [row for row in frame.to_dict("records") if validate_row(row)] == []
    assert frame["user_content"].is_unique and frame["uid"].is_unique
    assert frame["uid"].iloc[0] == "train/0001"


def test_splits_share_no_pair_of_atoms(frame):
    groups = {split: set(rows["leak_group"]) for split, rows in frame.groupby("split")}
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["dev"]
    assert not groups["dev"] & groups["test"]
    assert len(groups["test"]) >= 100


def test_labels_and_texts_agree_with_the_structured_problem(frame):
    for row in frame.sample(300, random_state=0).to_dict("records"):
        problem = Problem.from_json(row["problem"])
        assert row["label"] == problem.label
        assert (row["family"], row["form"], row["claim_kind"]) == (problem.family, problem.form, problem.claim_kind)
        assert row["leak_group"] == leak_group(problem.core_words)
        assert row["user_content"] == f"{row['major_premise']} but {row['minor_premise']} so {row['conclusion']}."
        check = check_reasoning(row["problem"], row["reference_answer"])
        assert check.valid
        slipped = problem.is_fallacy and json.loads(row["provenance"])["teacher"]["drew"]
        assert check.correct == (not slipped)
        assert row["label_conflict"] == (slipped and row["claim_kind"] == "natural")


def test_a_label_0_keeps_its_countermodel_and_a_label_1_its_derivation(frame):
    proofs = frame["provenance"].map(lambda text: json.loads(text)["proof"])
    assert (proofs.map(lambda proof: "countermodel" in proof) == (frame["label"] == 0)).all()
    assert (proofs.map(lambda proof: "derivation" in proof) == (frame["label"] == 1)).all()
    for row in frame.head(300).itertuples():
        assert check_proof(row.problem, row.provenance) == row.label


def test_look_up_problems_are_the_majority_and_labels_near_half(frame):
    for _, rows in frame.groupby("split"):
        assert 0.8 <= rows["family"].isin(CONDITIONALS).mean() <= 0.87
        assert 0.44 <= rows["label"].mean() <= 0.56


def test_the_same_seed_gives_the_same_frame_and_another_seed_another():
    one, again, other = (generate_samples(SMALL.model_copy(update={"seed": seed})) for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(one, again)
    for split in ("train", "dev", "test"):
        questions = [set(f.loc[f["split"] == split, "user_content"]) for f in (one, other)]
        assert questions[0] != questions[1]


def test_the_seed_does_not_move_pairs_between_splits_and_a_larger_train_leaves_test_as_it_was():
    larger = SMALL.model_copy(update={"counts": SplitCounts(train=200, dev=20, test=40)})
    before, after = (f[f["split"] == "test"].reset_index(drop=True) for f in map(generate_samples, (SMALL, larger)))
    pd.testing.assert_frame_equal(before, after)
    assert split_pairs(SMALL) == split_pairs(SMALL.model_copy(update={"seed": 9}))


def test_each_split_draws_from_a_stream_of_its_own():
    frame = generate_samples(SMALL.model_copy(update={"counts": SplitCounts(train=40, dev=40, test=40)}))
    kinds = ["family", "form", "claim_kind"]
    orders = {split: tuple(rows[kinds].itertuples(index=False, name=None)) for split, rows in frame.groupby("split")}
    assert len({tuple(sorted(order)) for order in orders.values()}) == 1  # the same kinds of problem …
    assert len(set(orders.values())) == 3  # … in three different orders


def test_pairs_are_unordered_and_differ_in_both_words():
    pairs = split_pairs(VerifiedParams())
    flat = [pair for group in pairs.values() for pair in group]
    names, adjectives = len(VerifiedParams().names), len(VerifiedParams().adjectives)
    assert len(flat) == names * (names - 1) * adjectives * (adjectives - 1) // 2
    words = [f"{atom.name} {atom.adjective}" for atom in flat[0]]
    assert leak_group(words) == leak_group(words[::-1])
    assert all(one.name != other.name and one.adjective != other.adjective for one, other in flat)


def test_shares_sum_to_one_and_match_a_hand_computed_cell():
    params = VerifiedParams(
        families=FamilyMix(if_then=3, only_if=0, reversed_if=0, either_or=1, not_both=0),
        conditional_claims=ClaimMix(valid=0.6, opposite=0.1),
        symmetric_claims=ClaimMix(valid=0.5, opposite=0.5),
    )
    shares = cell_shares(params)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[Cell("if_then", "MP", "natural")] == pytest.approx(0.75 * 0.6 / 2 * 0.9)
    assert shares[Cell("if_then", "DA", "opposite")] == pytest.approx(0.75 * 0.4 / 2 * 0.1)
    assert shares[Cell("either_or", "DS", "opposite")] == pytest.approx(0.25 * 0.5 * 0.5)
    assert shares[Cell("only_if", "MP", "natural")] == 0


def test_apportion_sums_up_and_stays_within_one():
    shares = {Cell("f", str(i), "natural"): weight / 10 for i, weight in enumerate((1, 2, 3, 4))}
    assert list(apportion(7, shares).values()) == [1, 1, 2, 3]  # .7 1.4 2.1 2.8


def test_the_frame_holds_the_cells_that_were_asked_for():
    frame = generate_samples(SMALL)
    train = frame[frame["split"] == "train"]
    counted = Counter(Cell(*row) for row in train[["family", "form", "claim_kind"]].itertuples(index=False))
    expected = {cell: count for cell, count in cell_counts(120, SMALL).items() if count}
    assert counted == expected


def test_an_infallible_teacher_has_no_conflict_and_a_certain_one_always():
    never, always = (
        generate_samples(SMALL.model_copy(update={"fallacies": FallacyRates(AC=r, DA=r, AD=r, DC=r)})) for r in (0, 1)
    )
    assert not never["label_conflict"].any()
    tempting = (always["form"].isin(["AC", "DA", "AD", "DC"])) & (always["claim_kind"] == "natural")
    assert (always["label_conflict"] == tempting).all()


def test_negated_major_premises_stay_sound():
    frame = generate_samples(SMALL.model_copy(update={"negated_major_rate": 1.0}))
    assert frame["problem"].str.contains('"major": [false, false]', regex=False).all()
    assert all(Problem.from_json(row["problem"]).label == row["label"] for row in frame.to_dict("records"))


def test_too_small_a_lexicon_is_refused_by_parameter():
    with pytest.raises(SoundmindError, match=r"verified\.names \(3\).*test split \d+ pairs.*needs 100"):
        generate_samples(VerifiedParams(names=("tom", "anna", "peter")))


def test_too_many_questions_are_refused_by_parameter():
    tiny = VerifiedParams(
        names=("tom", "anna", "peter"),
        adjectives=("happy", "rich", "brave"),
        min_test_pairs=1,
        test_share=0.3,
        dev_share=0.3,
        counts=SplitCounts(train=5000, dev=1, test=1),
    )
    with pytest.raises(SoundmindError, match=r"verified\.counts\.train asks for 5000 questions"):
        generate_samples(tiny)

"""The generated table: shares, levels, splits, no question twice, the three steps, refusals."""

import json
from collections import Counter

import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.params import (
    ClaimMix,
    FallacyRates,
    FamilyMix,
    SplitCounts,
    VerifiedParams,
    WideParams,
)
from soundmind_pipeline.problems.schema import TEXT_DTYPES, validate_row
from soundmind_pipeline.problems.verified.generate import (
    colloquialize_triplets,
    generate_samples,
    generate_triplets,
    teach_triplets,
)
from soundmind_pipeline.problems.verified.mix import Cell, cell_counts, cell_shares, leak_group
from soundmind_pipeline.problems.verified.problems import read_problem, texts_of
from soundmind_pipeline.problems.verified.wide.forms import FORMS

KINDS = ["family", "form", "claim_kind", "difficulty"]


def test_rows_are_whole_and_tell_their_problem(frame):
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == TEXT_DTYPES
    assert [row for row in frame.to_dict("records") if validate_row(row)] == []
    assert frame["user_content"].is_unique
    for row in frame.to_dict("records"):
        problem = read_problem(row["problem"])
        assert [row[kind] for kind in KINDS] == [getattr(problem, kind) for kind in KINDS]
        assert row["leak_group"] == leak_group(problem.core_words)
        assert row["user_content"] == texts_of(problem).question
        assert json.loads(row["provenance"])["colloquialization"] == {"kind": "embedded", "wording": "verified"}


def test_all_forms_occur_and_the_natural_claim_is_entailed_exactly_by_the_valid_ones(frame):
    seen = set(frame[["family", "form"]].itertuples(index=False, name=None))
    assert seen == {(family, form) for family, forms in FORMS.items() for form in forms}
    for row in frame.itertuples():
        assert row.label == (FORMS[row.family][row.form].valid and row.claim_kind == "natural")


def test_cells_hold_their_shares_to_within_one(frame, params):
    shares = cell_shares(params)
    assert sum(shares.values()) == pytest.approx(1)
    for split, rows in frame.groupby("split"):
        counted = Counter(Cell(*row) for row in rows[KINDS].itertuples(index=False, name=None))
        assert counted == {cell: count for cell, count in cell_counts(len(rows), params).items() if count}
        for deep in (1, 2, 3, 4):  # families, forms, kinds of claim, levels
            for part in {cell[:deep] for cell in shares}:
                asked = len(rows) * sum(share for cell, share in shares.items() if cell[:deep] == part)
                got = sum(count for cell, count in counted.items() if cell[:deep] == part)
                assert abs(got - asked) < 1 + 1e-6, (split, part)


def test_splits_share_no_leak_group_and_a_pair_of_atoms_belongs_to_one_split_in_all_families(frame):
    assert frame.groupby("leak_group")["split"].nunique().max() == 1
    words = {"names": WideParams().names, "adjectives": WideParams().adjectives}
    nano = generate_samples(VerifiedParams(**words, counts=SplitCounts(train=200, dev=20, test=40)))
    assert pd.concat([frame, nano]).groupby("leak_group")["split"].nunique().max() == 1


def test_no_problem_occurs_twice_in_other_words():
    few = {"names": ("al", "bo", "cy", "di"), "adjectives": ("big", "dry", "fit", "hot", "new", "old", "shy", "wet")}
    mix = FamilyMix(if_then=0, only_if=0, either_or=0, not_both=0, conditional=1)
    frame = generate_samples(
        VerifiedParams(families=mix, wide=WideParams(**few), counts=SplitCounts(train=900, dev=50, test=100))
    )
    meant = [plain_meaning(read_problem(text)) for text in frame["problem"]]
    assert len(set(meant)) == len(frame) == 1050


def plain_meaning(problem):
    """The relevant premises and the claim, by the words they are about."""

    def mean(said):
        return said.kind, tuple((problem.words[term.atom], term.positive) for term in said.terms)

    return frozenset(map(mean, problem.core)), mean(problem.claim)


def test_the_default_levels_are_met_and_only_they(frame):
    assert set(frame["difficulty"]) == {1, 2, 3, 4, 5}
    counts = frame["difficulty"].value_counts()
    assert max(counts[[2, 3, 4, 5]]) - min(counts[[2, 3, 4, 5]]) < 0.05 * len(frame)


def test_levels_follow_their_weights_or_the_nearest_that_a_form_reaches(params):
    hard = params.model_copy(update={"wide": WideParams(levels=(0, 0, 0, 0, 0, 0, 1))})
    levels = generate_samples(hard).groupby(["family", "form"])["difficulty"].unique()
    assert levels["chain", "CF"].tolist() == [7]
    assert levels["conditional", "MP"].tolist() == [5]  # 1, negated, three distractors
    assert levels["conditional", "MT"].tolist() == [6]
    easy = params.model_copy(update={"wide": WideParams(levels=(1,), max_distractors=0)})
    levels = generate_samples(easy).groupby(["family", "form"])["difficulty"].unique()
    assert levels["conditional", "MP"].tolist() == [1]
    assert levels["syllogism", "VS"].tolist() == [2]


def test_difficulty_counts_what_it_says(frame):
    for row in frame.itertuples():
        problem = read_problem(row.problem)
        assert problem.difficulty == row.difficulty >= 1 + len(problem.distractors)
        assert len(problem.distractors) <= 3
        core_atoms = {atom for premise in problem.core for atom in premise.atoms} | problem.claim.atoms
        for place in problem.distractors:
            assert not problem.premises[place].atoms & core_atoms


def test_without_distractors_and_signs_there_are_none(params):
    plain = params.model_copy(update={"wide": WideParams(max_distractors=0, negated_sides="none")})
    for problem in map(read_problem, generate_samples(plain)["problem"]):
        assert not problem.distractors
        assert all(t.positive for p in problem.premises if p.kind != "fact" for t in p.terms)


def test_negated_sides_alike_are_all_negated_or_none(params):
    alike = params.model_copy(update={"wide": WideParams(negated_sides="alike")})
    compound = [
        {t.positive for t in p.terms}
        for problem in map(read_problem, generate_samples(alike)["problem"])
        for p in problem.core
        if p.kind in ("if", "iff", "or", "xor")
    ]
    assert {True} in compound and {False} in compound and {True, False} not in compound


def test_existential_import_is_said_and_changes_the_forms(params):
    for existential_import in (False, True):
        wide = params.model_copy(update={"wide": WideParams(existential_import=existential_import)})
        rows = generate_samples(wide)
        syllogisms = rows[rows["family"] == "syllogism"]
        said = "has at least one member" if existential_import else "may be empty"
        assert syllogisms["user_content"].str.contains(said).all()
        assert not rows.loc[rows["family"] != "syllogism", "user_content"].str.contains(said).any()
        assert ("EF" in set(syllogisms["form"])) == (not existential_import)


def test_the_same_seed_gives_the_same_frame_and_a_larger_train_leaves_test_as_it_was(params, frame):
    pd.testing.assert_frame_equal(frame, generate_samples(params))
    larger = params.model_copy(update={"counts": SplitCounts(train=900, dev=70, test=140)})
    before, after = (f[f["split"] == "test"].reset_index(drop=True) for f in (frame, generate_samples(larger)))
    pd.testing.assert_frame_equal(before, after)
    other = generate_samples(params.model_copy(update={"seed": 1}))
    assert not set(other["user_content"]) & set(frame["user_content"])


def test_wide_and_nano_families_mix():
    mixed = VerifiedParams(families=FamilyMix(chain=1), counts=SplitCounts(train=100, dev=10, test=20))
    frame = generate_samples(mixed)
    assert frame["family"].value_counts()["chain"] == 65
    assert frame["family"].isin(["if_then", "only_if"]).sum() > 40


def test_the_three_steps_compose_and_each_fills_only_what_is_empty(params, frame):
    triplets = generate_triplets(params)
    empty = ["user_content", "reference_reasoning", "reference_answer", "reference_verdict"]
    assert triplets[empty].isna().all().all() and not triplets["label_conflict"].any()
    same = ["uid", "major_premise", "minor_premise", "conclusion", "label", "leak_group", "problem"]
    pd.testing.assert_frame_equal(triplets[same], frame[same])
    worded = colloquialize_triplets(triplets)
    pd.testing.assert_frame_equal(teach_triplets(worded, params.fallacies), frame)
    assert triplets[empty].isna().all().all()  # the input is left as it was

    mine = triplets.copy()
    mine.loc[3, "user_content"] = "In other words."
    worded = colloquialize_triplets(mine)
    assert worded.loc[3, "user_content"] == "In other words."
    assert "colloquialization" not in json.loads(worded.loc[3, "provenance"])
    taught = teach_triplets(worded.head(5), params.fallacies)
    pd.testing.assert_frame_equal(taught.drop(3), frame.head(5).drop(3))
    assert teach_triplets(taught, params.fallacies) is taught


def test_rows_of_another_source_are_refused_by_uid(params, frame):
    foreign = frame.head(4).copy()
    foreign.loc[[1, 2], ["problem", "reference_answer"]] = None
    with pytest.raises(SoundmindError, match=f"2 rows hold no verified problem, first {foreign['uid'][1]}"):
        teach_triplets(foreign, params.fallacies)


def test_another_rate_turns_only_the_verdicts_that_it_must(params):
    triplets = colloquialize_triplets(generate_triplets(params))
    none, some, all_ = (
        teach_triplets(triplets, FallacyRates.model_validate(dict.fromkeys(FallacyRates.model_fields, rate)))
        for rate in (0, 0.4, 1)
    )
    fallacious = pd.Series([read_problem(text).is_fallacy for text in triplets["problem"]])
    tempted = fallacious & (triplets["claim_kind"] == "natural")
    assert not none["label_conflict"].any()
    assert (all_["label_conflict"] == tempted).all()
    assert (some["label_conflict"] & ~tempted).sum() == 0
    assert some["label_conflict"][tempted].mean() == pytest.approx(0.4, abs=0.08)
    pd.testing.assert_frame_equal(some[~fallacious], none[~fallacious])
    drew = [json.loads(text)["teacher"]["drew"] for text in none["provenance"]]
    assert drew == (~fallacious).tolist()


def test_claims_of_wide_problems_have_shares_of_their_own(params):
    wide = params.model_copy(update={"wide": WideParams(claims=ClaimMix(valid=1, opposite=0))})
    assert (generate_samples(wide)["label"] == 1).all()


def test_too_many_questions_are_refused_by_parameter():
    few = {"classes": tuple(WideParams().classes[:10]), "max_distractors": 0}
    mix = FamilyMix(if_then=0, only_if=0, either_or=0, not_both=0, syllogism=1)
    greedy = VerifiedParams(families=mix, wide=WideParams(**few), counts=SplitCounts(train=20000, dev=1, test=1))
    with pytest.raises(SoundmindError, match=r"verified\.counts\.train asks for 20000 questions.*syllogism"):
        generate_samples(greedy)

"""Shortcuts stay near chance on the default mix, and a planted one is found."""

import pytest

from soundmind_pipeline.problems.params import VerifiedParams
from soundmind_pipeline.problems.shortcuts import BIGRAM_VIEWS, SIGN_FEATURES, shortcut_accuracies
from soundmind_pipeline.problems.verified.families import Problem
from soundmind_pipeline.problems.verified.generate import generate_samples

SURFACE = {*SIGN_FEATURES, *BIGRAM_VIEWS}


@pytest.fixture(scope="module")
def splits():
    frame = generate_samples(VerifiedParams())
    return frame[frame["split"] == "train"], frame[frame["split"] == "test"]


@pytest.fixture(scope="module")
def accuracies(splits):
    return shortcut_accuracies(*splits)


def relabel(frame, rule):
    return frame.assign(label=[int(rule(Problem.from_json(text))) for text in frame["problem"]])


def test_the_keys_are_stable(accuracies):
    assert set(accuracies) == {
        *("prior", "claim_sign", "minor_sign", "minor_and_claim_signs", "connective", "connective_and_claim_sign"),
        *("connective_and_minor_sign", "connective_and_signs", "claim_bigrams", "minor_bigrams", "major_bigrams"),
        *("premises_bigrams", "question_bigrams", "natural_claim", "sampled_teacher"),
    }


def test_no_surface_shortcut_solves_the_default_mix(accuracies):
    assert {name: accuracies[name] for name in SURFACE if accuracies[name] > 0.65} == {}


def test_the_teacher_baselines_count_its_slips(splits, accuracies):
    _, test = splits
    assert accuracies["sampled_teacher"] == pytest.approx(1 - test["label_conflict"].mean())
    tempted = (test["claim_kind"] == "natural") & test["form"].isin(["AC", "DA", "AD", "DC"])
    assert accuracies["natural_claim"] == pytest.approx(1 - tempted.mean())


def test_a_planted_claim_sign_is_found(splits):
    planted = shortcut_accuracies(*(relabel(frame, lambda problem: problem.claim.positive) for frame in splits))
    for name in ("claim_sign", "minor_and_claim_signs", "connective_and_signs", "claim_bigrams"):
        assert planted[name] == 1.0
    assert planted["minor_bigrams"] < 0.95 and planted["prior"] < 0.65


def test_a_planted_connective_is_found(splits):
    planted = shortcut_accuracies(*(relabel(frame, lambda problem: problem.family == "only_if") for frame in splits))
    assert planted["connective"] == planted["major_bigrams"] == planted["question_bigrams"] == 1.0
    assert planted["claim_sign"] < 0.75


def test_one_label_only_is_no_error(splits):
    train, test = (relabel(frame, lambda problem: False) for frame in splits)
    assert all(shortcut_accuracies(train, test)[name] == 1.0 for name in SURFACE)

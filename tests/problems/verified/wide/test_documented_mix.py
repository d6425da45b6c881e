"""The wide mix of docs/verified.md gives its labels away to no surface shortcut."""

import re
from pathlib import Path

import pytest
import yaml

from soundmind_pipeline.problems.params import VerifiedParams
from soundmind_pipeline.problems.shortcuts import BIGRAM_VIEWS, SIGN_FEATURES, shortcut_accuracies
from soundmind_pipeline.problems.verified.generate import generate_samples

PAGE = Path(__file__).parents[4] / "docs" / "verified.md"


@pytest.fixture(scope="module")
def splits():
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    frame = generate_samples(VerifiedParams.model_validate(yaml.safe_load(block)))
    return frame[frame["split"] == "train"], frame[frame["split"] == "test"]


def test_the_best_shortcut_stays_near_the_prior(splits):
    accuracies = shortcut_accuracies(*splits)
    surface = {name: accuracies[name] for name in (*SIGN_FEATURES, *BIGRAM_VIEWS)}
    assert 0.5 < accuracies["prior"] < 0.56
    assert max(surface.values()) < 0.60, surface


def test_length_and_difficulty_tell_nothing(splits):
    for rows in splits:
        words = rows["user_content"].str.count(r"\S+")
        natural = rows["claim_kind"] == "natural"
        for feature in (words, rows["difficulty"]):
            for family, part in rows[natural].groupby("family"):
                correlation = feature[part.index].astype(float).corr(part["label"].astype(float))
                assert abs(correlation) < 4 / len(part) ** 0.5, family

"""The published dev annotations: the scorer must pay their gold responses in full, which the published one does not."""

import json
import os
from pathlib import Path

import pytest

from soundmind_pipeline.rewards.lenient import parse_verdict_lenient
from soundmind_pipeline.rewards.params import RewardParams
from soundmind_pipeline.rewards.scorer import LABELS, Scorer

DEFAULT = Path(__file__).parents[3] / "shared" / "data" / "soundmind"
ANNOTATIONS = Path(os.environ.get("SOUNDMIND_DATA", DEFAULT)) / "dev.jsonl"


@pytest.fixture(scope="module")
def rows():
    if not ANNOTATIONS.is_file():
        pytest.skip(f"the published dev annotations are not at {ANNOTATIONS}; set SOUNDMIND_DATA to their folder")
    return [json.loads(line) for line in ANNOTATIONS.read_text(encoding="utf-8").splitlines()]


def test_every_consistent_gold_response_earns_the_full_text_reward(rows):
    scorer = Scorer(RewardParams(style="plain"))
    scores = [scorer.score(row["answer"], row["label"], row["answer"]) for row in rows]
    assert len(scores) == 606
    assert all(score.verdict is not None for score in scores)
    consistent = [s for s, row in zip(scores, rows, strict=True) if s.verdict == LABELS[row["label"]]]
    conflicting = [s for s, row in zip(scores, rows, strict=True) if s.verdict != LABELS[row["label"]]]
    assert {score.total for score in consistent} == {4.0}
    assert len(conflicting) == 33
    assert {(score.answer, score.total) for score in conflicting} == {(0.0, 2.0)}


def test_the_same_responses_in_the_think_format(rows):
    scorer = Scorer(RewardParams(style="think"))
    for row in rows:
        reasoning, _, verdict = row["answer"].rpartition("Answer:")
        score = scorer.score(f"<think>{reasoning}</think>\nAnswer:{verdict}", row["label"], row["answer"])
        assert score.total in (4.0, 2.0)
        assert scorer.score(row["answer"], row["label"], row["answer"]).reason == "tag_count"


def test_the_lenient_reading_agrees_on_well_formed_responses(rows):
    scorer = Scorer(RewardParams(style="plain"))
    for row in rows:
        assert parse_verdict_lenient(row["answer"]) == scorer.score(row["answer"], 1, "r").verdict

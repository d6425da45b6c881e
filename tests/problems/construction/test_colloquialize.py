import json

import pandas as pd
import pytest

from soundmind_pipeline.problems.construction.colloquialize import colloquialize, draw_wording
from soundmind_pipeline.problems.construction.params import ColloquializationParams
from soundmind_pipeline.problems.published.premises import split_prompt

from .conftest import completion


def reply_with(**changes):
    """Answers every triplet with itself, some parts changed."""

    def respond(body):
        document = json.loads(body["messages"][1]["content"]) | changes
        return completion(json.dumps({name: text for name, text in document.items() if text is not None}))

    return respond


def test_the_embedded_wording_holds_the_triplet(make_rows, tmp_path):
    rows = make_rows(3)
    given = rows.copy()
    spoken, rejected = colloquialize(rows, ColloquializationParams(), tmp_path / "cache")
    pd.testing.assert_frame_equal(rows, given)
    assert rejected.empty and list(rejected.columns) == ["uid", "place", "reason", "row"]
    for row in spoken.to_dict("records"):
        premises = split_prompt(row["user_content"]).premises
        assert premises == (row["major_premise"], row["minor_premise"], row["conclusion"])
        assert json.loads(row["provenance"])["colloquialization"] == {"kind": "embedded", "wording": "published"}
        assert json.loads(row["provenance"])["file"] == "train.txt"
    assert not (tmp_path / "cache").exists()


def test_rows_with_a_prompt_are_left_alone(make_rows, tmp_path):
    rows = make_rows(2, user_content="Is it so?")
    spoken, _ = colloquialize(rows, ColloquializationParams(kind="endpoint"), tmp_path)
    pd.testing.assert_frame_equal(spoken, rows)


def test_the_draw_follows_seed_and_row_alone(make_rows, tmp_path):
    params = ColloquializationParams(wordings=("published", "paper"))
    uids = [f"train/{number:04d}" for number in range(1, 201)]
    drawn = [draw_wording(params, uid) for uid in uids]
    assert 60 < drawn.count("paper") < 140
    assert drawn != [draw_wording(params.model_copy(update={"seed": 1}), uid) for uid in uids]
    many, few = (colloquialize(make_rows(count), params, tmp_path)[0] for count in (20, 5))
    pd.testing.assert_frame_equal(many.head(5), few)


def test_the_endpoint_rewrites_and_the_triplet_stays(endpoint, settings, make_rows, tmp_path):
    endpoint.respond = reply_with(minor="So x,\n you know, is one of the A ones")
    rows = make_rows(2, major_premise=None)
    params = ColloquializationParams(kind="endpoint", endpoint=settings())
    spoken, rejected = colloquialize(rows, params, tmp_path)
    assert rejected.empty
    row = spoken.iloc[0]
    assert 'setup:\nMinor premise is "So x, you know, is one of the A ones".' in row["user_content"]
    assert row["minor_premise"] == "x is an A1" and pd.isna(row["major_premise"])
    facts = json.loads(row["provenance"])["colloquialization"]
    assert facts["model"] == "m" and facts["host"].startswith("127.0.0.1:") and facts["wording"] == "published"
    assert facts["prompt"].startswith("rewrite@") and facts["completion_tokens"] == 20


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"minor": None}, "not a text each"),
        ({"minor": ["x"]}, "not a text each"),
        ({"conclusion": ""}, "conclusion has 0 words"),
        ({"major": "word " * 40}, "major has 40 words where the original has 5"),
        ({"minor": "x is an A, so it is not entailed"}, "minor speaks of entailment"),
    ],
)
def test_a_rewriting_that_loses_or_adds_is_asked_for_again_and_then_rejected(
    endpoint, settings, make_rows, tmp_path, changes, reason
):
    endpoint.respond = reply_with(**changes)
    params = ColloquializationParams(kind="endpoint", endpoint=settings(), attempts=2)
    spoken, rejected = colloquialize(make_rows(2), params, tmp_path)
    assert spoken.empty and len(endpoint.requests) == 4
    assert list(rejected["uid"]) == ["train/0001", "train/0002"]
    assert reason in rejected["reason"][0] and rejected["reason"][0].startswith("colloquialization: 2 unusable")
    assert rejected["place"][1] == "train.txt, line 2"
    assert json.loads(rejected["row"][0])["conclusion"] == "x is a B"


@pytest.mark.parametrize("content", ["no", "[1]", '{"major": "a"', "```json\n7\n```"])
def test_a_rewriting_that_is_no_object(endpoint, settings, make_rows, tmp_path, content):
    endpoint.respond = lambda body: completion(content)
    params = ColloquializationParams(kind="endpoint", endpoint=settings(), attempts=1)
    _, rejected = colloquialize(make_rows(1), params, tmp_path)
    assert "no JSON object" in rejected["reason"][0]


def test_a_fenced_object_will_do(endpoint, settings, make_rows, tmp_path):
    endpoint.respond = lambda body: completion(f"```json\n{body['messages'][1]['content']}\n```")
    params = ColloquializationParams(kind="endpoint", endpoint=settings())
    spoken, _ = colloquialize(make_rows(1), params, tmp_path)
    assert 'Minor premise is "x is an A1".' in spoken["user_content"][0]

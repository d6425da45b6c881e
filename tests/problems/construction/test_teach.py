import json
import subprocess
import sys
import time

import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.construction.colloquialize import colloquialize
from soundmind_pipeline.problems.construction.params import ColloquializationParams, TeacherParams
from soundmind_pipeline.problems.construction.prompts import TEACHER_SYSTEM
from soundmind_pipeline.problems.construction.teach import read_proof, teach
from soundmind_pipeline.problems.export.records import published_answer
from soundmind_pipeline.problems.params import FallacyRates, VerifiedParams
from soundmind_pipeline.problems.schema import validate_row
from soundmind_pipeline.problems.sources.rows import reference_of
from soundmind_pipeline.problems.verified.generate import generate_samples, generate_triplets
from soundmind_pipeline.rewards.params import RewardParams, RewardWeights
from soundmind_pipeline.rewards.scorer import Scorer

from .conftest import completion

RATES = FallacyRates()


def ask(rows, cache, endpoint, **changes):
    return teach(rows, TeacherParams(kind="endpoint", endpoint=endpoint, **changes), RATES, cache)


@pytest.mark.parametrize(
    "message",
    [
        {"content": "Answer: not entailed.", "reasoning": "Hm. Answer: maybe. No."},
        {"content": "<think>\nHm. Answer: maybe. No.\n</think>\nSo it is not.\n\n**Answer:** **not-entailed**"},
        {"content": "Hm. Answer: maybe. No.\n\nAnswer: Not entailed"},
    ],
    ids=["its own field", "tags, prose, markdown", "plain"],
)
def test_reasoning_and_verdict_fill_the_reference(endpoint, settings, make_rows, tmp_path, message):
    endpoint.respond = lambda body: completion(**message)
    taught, rejected = ask(make_rows(2, user_content="Is it so?"), tmp_path, settings())
    assert rejected.empty
    row = taught.iloc[0]
    assert row["reference_reasoning"] == "Hm. Answer: maybe. No."
    assert row["reference_answer"] == "<think> Hm. Answer: maybe. No. </think> Answer: not entailed."
    assert row["reference_verdict"] == "not entailed"
    # The source says that it follows: its label stays and the conflict is flagged.
    assert (row["label"], row["source_label"], row["label_conflict"]) == (1, 1, True)
    assert endpoint.requests[0]["messages"] == [
        {"role": "system", "content": TEACHER_SYSTEM},
        {"role": "user", "content": "Is it so?"},
    ]
    facts = json.loads(row["provenance"])["teacher"]
    assert facts["model"] == "m" and facts["prompt"].startswith("table 2@")
    assert (facts["prompt_tokens"], facts["completion_tokens"], facts["attempt"]) == (10, 20, 1)
    assert not validate_row({**row.to_dict(), "leak_group": "a"})


def test_our_references_earn_the_whole_text_reward_in_both_forms(endpoint, settings, make_rows, tmp_path):
    endpoint.respond = lambda body: completion("Answer: entailed.", "Hm, every A is a B.")
    row = ask(make_rows(1, user_content="Is it so?"), tmp_path, settings())[0].iloc[0]
    plain = published_answer(row)
    assert plain.endswith("\nAnswer: entailed.")
    weights = RewardWeights(format_audio=0, length_audio=0)
    for style, text in (("plain", plain), ("think", row["reference_answer"])):
        assert Scorer(RewardParams(style=style, weights=weights)).score(text, 1, text).total == 4.0


def test_labels_of_the_teacher_as_in_the_published_data(endpoint, settings, make_rows, tmp_path):
    endpoint.respond = lambda body: completion("Answer: not entailed.", "Hm.")
    rows = make_rows(2, user_content="Is it so?")
    rows.loc[1, "problem"] = "{}"
    taught, _ = ask(rows, tmp_path, settings(), labels="teacher")
    assert list(taught["label"]) == [0, 1] and list(taught["label_conflict"]) == [False, True]
    assert list(taught["source_label"]) == [1, 1]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (completion("I would rather not.", "Hm."), "no verdict (no_marker)"),
        (completion("Answer: maybe.", "Hm."), "no verdict (unknown_verdict)"),
        (completion("Answer: entailed. Answer: not entailed.", "Hm."), "no verdict"),
        (completion("Answer: entailed."), "no verdict (empty_reasoning)"),
        (completion("Answer: entailed.", "Hm. </think> Hm."), "no verdict (tag_count)"),
        (completion("Hm, and then", finish="length"), "cut off"),
        (completion(None, "Hm."), "empty answer"),
        (completion("", refusal="I cannot help with that"), "refused: I cannot"),
    ],
)
def test_a_reply_without_verdict_is_asked_for_again_and_then_rejected(
    endpoint, settings, make_rows, tmp_path, reply, reason
):
    endpoint.respond = lambda body: reply
    rows = make_rows(1, user_content="Is it so?")
    taught, rejected = ask(rows, tmp_path, settings(), attempts=3)
    assert taught.empty and len(endpoint.requests) == 3
    assert reason in rejected["reason"][0] and rejected["reason"][0].startswith("teacher: 3 unusable replies")
    assert (rejected["uid"][0], rejected["place"][0]) == ("train/0001", "train.txt, line 1")
    # The outcome is kept too: it is not paid again.
    ask(rows, tmp_path, settings(), attempts=3)
    assert len(endpoint.requests) == 3


def test_the_second_reply_may_do(endpoint, settings, make_rows, tmp_path, caplog):
    caplog.set_level("INFO")
    replies = [completion("Well.", "Hm."), completion("Answer: entailed.", "Hm.")]
    endpoint.respond = lambda body: replies.pop(0)
    priced = settings(prompt_price=1e5, completion_price=2e5)
    taught, rejected = ask(make_rows(1, user_content="Is it so?"), tmp_path, priced)
    assert "Teaching: 2 replies paid, 0 cached, 60 tokens, cost 10.00." in caplog.text
    assert rejected.empty and json.loads(taught["provenance"][0])["teacher"]["attempt"] == 2


def test_rows_that_fail_are_named_and_the_others_go_on_in_order(endpoint, settings, make_rows, tmp_path):
    rows = make_rows(9)
    rows["user_content"] = [f"question {number}" for number in range(9)]

    def respond(body):
        number = int(body["messages"][1]["content"].split()[1])
        if number % 4 == 0:
            return 400, {"error": {"message": "too long"}}, {}
        return completion("Answer: entailed.", f"thought {number}")

    endpoint.respond = respond
    taught, rejected = ask(rows, tmp_path, settings(concurrency=4))
    assert [text.split()[-1] for text in taught["reference_reasoning"]] == list("123567")
    assert list(rejected["uid"]) == ["train/0001", "train/0005", "train/0009"]
    assert all("too long" in reason for reason in rejected["reason"])
    # The next run pays for the failed ones alone, and gives the same rows whatever the concurrency.
    endpoint.requests.clear()
    again, _ = ask(rows, tmp_path, settings(concurrency=1))
    assert len(endpoint.requests) == 3
    pd.testing.assert_frame_equal(again, taught)


def test_rows_with_a_reference_are_left_alone(endpoint, settings, make_rows, tmp_path):
    rows = make_rows(3, user_content="Is it so?")
    rows.loc[1, "reference_answer"] = "As published. Answer: entailed."
    rows.loc[1, "provenance"] = '{"source": "soundmind", "teacher": "published"}'
    taught, _ = ask(rows, tmp_path, settings())
    pd.testing.assert_frame_equal(taught.iloc[[1]], rows.iloc[[1]])
    assert len(endpoint.requests) == 1 and list(taught["uid"]) == list(rows["uid"])


def test_without_a_teacher_the_reference_is_the_bare_label(make_rows, tmp_path):
    rows = make_rows(3, user_content="Is it so?")
    rows.loc[1, "label"] = 0
    rows.loc[2, "reference_answer"] = "As published. Answer: entailed."
    taught, rejected = teach(rows, TeacherParams(kind="none"), RATES, tmp_path)
    assert rejected.empty and rows["reference_answer"].isna().tolist() == [True, True, False]
    assert list(taught["reference_answer"][:2]) == ["Answer: entailed.", "Answer: not entailed."]
    pd.testing.assert_frame_equal(taught.tail(1), rows.tail(1))
    row = taught.iloc[1]
    assert not validate_row({**row.to_dict(), "leak_group": "a"}) and pd.isna(row["reference_verdict"])
    # Nothing is lost on the way out and back in, and no length is paid.
    assert reference_of(published_answer(row)) == (None, "Answer: not entailed.", None)
    score = Scorer(RewardParams()).score("<think> Hm. </think> Answer: not entailed.", 0, row["reference_answer"])
    assert (score.total, score.length_text) == (3.0, 0.0)


def test_the_embedded_steps_give_the_generators_own_table(tmp_path):
    params = VerifiedParams(counts={"train": 30, "dev": 5, "test": 5}, fallacies={"AC": 0.9, "DA": 0.0})
    worded, _ = colloquialize(generate_triplets(params), ColloquializationParams(), tmp_path / "cache")
    taught, rejected = teach(worded, TeacherParams(), params.fallacies, tmp_path / "cache")
    pd.testing.assert_frame_equal(taught, generate_samples(params))
    assert rejected.empty and not (tmp_path / "cache").exists()


def test_triplets_of_two_sources_in_one_table(make_rows, tmp_path):
    rows = pd.concat([make_rows(2), generate_triplets(VerifiedParams(counts={"train": 3, "dev": 1, "test": 1}))])
    rows = rows.sample(frac=1, random_state=0).reset_index(drop=True)
    worded, _ = colloquialize(rows, ColloquializationParams(), tmp_path)
    assert list(worded["uid"]) == list(rows["uid"]) and worded["user_content"].notna().all()
    assert worded["user_content"].str.startswith("Let's figure").tolist() == rows["problem"].isna().tolist()


def test_the_embedded_teacher_knows_verified_problems_only(make_rows, tmp_path):
    with pytest.raises(SoundmindError, match=r"2 rows.*train/0001.*train\.txt, line 1") as error:
        teach(make_rows(2, user_content="Is it so?"), TeacherParams(), RATES, tmp_path)
    assert "endpoint" in error.value.hint and "none" in error.value.hint


def test_the_budget_stops_a_table_and_the_next_run_goes_on(endpoint, settings, make_rows, tmp_path):
    rows = make_rows(8)
    rows["user_content"] = [f"question {number}" for number in range(8)]
    most = len((TEACHER_SYSTEM + "question 0").encode()) + 2 * 16 + 100
    with pytest.raises(SoundmindError, match="token budget ends here"):
        ask(rows, tmp_path, settings(token_budget=most + 3 * 30, concurrency=4))
    paid = len(endpoint.requests)
    assert paid == 4
    taught, _ = ask(rows, tmp_path, settings())
    assert len(taught) == 8 and len(endpoint.requests) == 8


def test_a_killed_run_pays_for_nothing_twice_and_ends_in_the_same_table(endpoint, settings, make_rows, tmp_path):
    rows = make_rows(12)
    rows["user_content"] = [f"question {number}" for number in range(12)]
    endpoint.respond = lambda body: completion("Answer: entailed.", f"thought about {body['messages'][1]['content']}")
    whole, _ = ask(rows, tmp_path / "whole", settings())
    endpoint.requests.clear()

    def respond(body):
        if len(endpoint.requests) > 4:
            endpoint.seconds = 60.0  # the process waits here for its end
        return answer(body)

    answer, endpoint.respond = endpoint.respond, respond
    rows.to_parquet(tmp_path / "rows.parquet")
    params = TeacherParams(kind="endpoint", endpoint=settings(concurrency=2))
    code = (
        "from pathlib import Path; import pandas as pd\n"
        "from soundmind_pipeline.problems.construction.params import TeacherParams\n"
        "from soundmind_pipeline.problems.construction.teach import teach\n"
        "from soundmind_pipeline.problems.params import FallacyRates\n"
        f"params = TeacherParams.model_validate_json({params.model_dump_json()!r})\n"
        f"rows = pd.read_parquet({str(tmp_path / 'rows.parquet')!r})\n"
        f"teach(rows, params, FallacyRates(), Path({str(tmp_path / 'cache')!r}))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while len(endpoint.requests) < 5 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert 5 <= len(endpoint.requests) <= 6
    endpoint.respond, endpoint.seconds = answer, 0.0
    resumed, rejected = ask(rows, tmp_path / "cache", settings())
    # Two requests were under way when it was killed: their replies are lost.
    assert len(endpoint.requests) <= 12 + 2 and rejected.empty
    pd.testing.assert_frame_equal(resumed, whole)


def test_read_proof_strips_the_reasoning():
    from soundmind_pipeline.problems.construction.reply import Reply

    reference = read_proof(Reply("\nAnswer: entailed\n", "\n Hm. \n\n", "stop", None, 1, 1))
    assert reference.reasoning == "Hm." and reference.response == "<think> Hm. </think> Answer: entailed."

import json

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.pipelines.ingestion.speaking import PLAN_COLUMNS, SpokenPlan, plan_clips
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.speech.params import SpeechParams
from soundmind_pipeline.speech.spoken_form import spoken_form


@pytest.fixture(scope="module")
def problems() -> pd.DataFrame:
    return generate_samples(VerifiedParams(counts=SplitCounts(train=120, dev=20, test=20)))


def manners(plan: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(plan["speaker"].map(json.loads).tolist(), index=plan["uid"])


def test_a_question_s_plan_depends_on_seed_and_uid_alone(problems):
    whole = plan_clips(problems, {}, SpeechParams())
    assert tuple(whole.columns) == PLAN_COLUMNS
    assert whole["text"].tolist() == problems["user_content"].tolist()
    part = plan_clips(problems.iloc[::-3], {}, SpeechParams())
    assert manners(part).sort_index().equals(manners(whole).loc[sorted(part["uid"])])
    other = plan_clips(problems, {}, SpeechParams(seed=1))
    assert (manners(other)["words_per_minute"] != manners(whole)["words_per_minute"]).any()


def test_rates_and_pitches_cover_their_ranges_ends_included(problems):
    plan = manners(plan_clips(problems, {}, SpeechParams(words_per_minute=(250, 252), pitch=(40, 41))))
    assert set(plan["words_per_minute"]) == {250, 251, 252}
    assert set(plan["pitch"]) == {40, 41}
    assert set(plan["voice"]) == {"en-us"}


def test_files_that_exist_are_planned_as_they_are(problems):
    files = {"question": {"train/0001": "raw/q.wav"}, "answer": {"train/0002": "raw/a.flac"}}
    plan = plan_clips(problems.head(3), files, SpeechParams())
    assert plan[["uid", "side"]].agg(" ".join, axis=1).tolist() == [
        "train/0001 question", "train/0002 question", "train/0003 question", "train/0002 answer",
    ]  # fmt: skip
    assert plan["file"].fillna("to speak").tolist() == ["raw/q.wav", "to speak", "to speak", "raw/a.flac"]
    assert plan["speaker"].isna().tolist() == [True, False, False, True]
    only_files = plan_clips(problems.head(3), files, SpeechParams(), speak_questions=False)
    assert only_files["file"].tolist() == ["raw/q.wav", "raw/a.flac"]


def test_answers_are_spoken_on_demand_without_their_tags(problems):
    plan = plan_clips(problems.head(2), {}, SpeechParams(answers=True))
    assert plan["side"].tolist() == ["question", "question", "answer", "answer"]
    assert problems["reference_answer"][0].startswith("<think>")
    assert plan["text"][2] == spoken_form(problems["reference_answer"][0])
    assert "<" not in plan["text"][2]


def test_rows_that_may_not_enter_the_manifest_are_not_spoken(problems):
    broken = pd.concat([problems.head(4), problems.head(1)], ignore_index=True)
    broken.loc[1, "user_content"] = " "
    broken.loc[2, "uid"] = "../../etc/passwd"
    assert plan_clips(broken, {}, SpeechParams())["uid"].tolist() == ["train/0001", "train/0004"]


def test_waves_and_files_come_in_the_order_of_the_plan(problems, caplog):
    caplog.set_level("INFO")
    files = {"question": {"train/0002": "raw/q.wav"}}
    params = SpeechParams(workers=1)
    plan = plan_clips(problems.head(3), files, params)
    clips = dict(SpokenPlan(plan, "question", params))
    assert list(clips) == ["train/0001", "train/0002", "train/0003"]
    assert clips["train/0002"].as_posix() == "raw/q.wav"
    assert all(clips[uid].dtype == np.float32 and len(clips[uid]) > 16_000 for uid in ("train/0001", "train/0003"))
    assert "Spoke 2 questions" in caplog.text  # and the engine has ended
    assert list(SpokenPlan(plan, "answer", params)) == []

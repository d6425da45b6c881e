import pandas as pd

from soundmind_pipeline.pipelines.ingestion.speaking import PLAN_COLUMNS, plan_questions
from soundmind_pipeline.speech.params import SpeechParams

PROBLEMS = pd.DataFrame(
    {"uid": [f"train/{number:04d}" for number in range(300)], "user_content": [f"text {n}" for n in range(300)]}
)


def test_a_question_s_plan_depends_on_seed_and_uid_alone():
    params = SpeechParams()
    whole = plan_questions(PROBLEMS, params)
    assert tuple(whole.columns) == PLAN_COLUMNS
    part = plan_questions(PROBLEMS.iloc[::-3], params)
    assert part.set_index("uid").sort_index().equals(whole.set_index("uid").loc[sorted(part["uid"])])
    other = plan_questions(PROBLEMS, SpeechParams(seed=1))
    assert (other["words_per_minute"] != whole["words_per_minute"]).any()


def test_rates_and_pitches_cover_their_ranges_ends_included():
    plan = plan_questions(PROBLEMS, SpeechParams(words_per_minute=(250, 252), pitch=(40, 41)))
    assert set(plan["words_per_minute"]) == {250, 251, 252}
    assert set(plan["pitch"]) == {40, 41}
    assert set(plan["voice"]) == {"en-us"}

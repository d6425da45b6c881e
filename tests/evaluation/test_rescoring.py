"""Saved answers marked again: the same marks by the same scorer, others by another, and never the answers changed."""

import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.metrics import assemble
from soundmind_pipeline.evaluation.rescoring import CHECKED, rescore
from soundmind_pipeline.evaluation.spoken.judging import Transcript, judge, spoken_reward
from soundmind_pipeline.evaluation.spoken.speaking import SpokenClip
from soundmind_pipeline.rewards.params import RewardParams, RewardWeights
from soundmind_pipeline.rewards.scorer import Scorer
from soundmind_pipeline.speech.spoken_form import spoken_form

SCORER = Scorer(RewardParams())


def spoken(predictions, samples):
    """Four answers, spoken: two heard well, one misheard, one silent."""
    records = samples.set_index("uid").to_dict("index")
    rows = predictions[(predictions["control"] == "none") & (predictions["setting"] == "audio_to_text")].head(4)
    table = []
    for place, row in enumerate(rows.to_dict("records")):
        record, text = records[row["uid"]], spoken_form(row["response"])
        transcript = (text, "a word", "", text)[place]
        heard = [Transcript("{}", transcript), Transcript("{}", "the answer is entailed")]
        clip = SpokenClip(None, 4.0, 0.0 if place == 2 else 3.5, "silent" if place == 2 else None)
        judged = {"speaker": "{}", "answer_audio": "a.wav", "reference_speech_seconds": 5.0}
        judged |= judge(text, clip, heard, record["label"])
        reward = spoken_reward(row["response"], record, judged, SCORER)
        table.append({**row, "setting": "audio_to_audio"} | reward | judged)
    return pd.DataFrame(table)


@pytest.fixture(scope="module")
def saved(predictions, samples, prediction, tmp_path_factory):
    """What a run leaves: written and spoken answers, a baseline without any, and the file they were kept in."""
    uid = samples.at[0, "uid"]
    label_only = dict.fromkeys(("response", "tokens", "reward", "reasoning_tokens", "restated"))
    label = samples.at[0, "label"]
    baseline = pd.DataFrame([prediction(uid, policy="majority", label=label, **label_only)])
    table = pd.concat([predictions, spoken(predictions, samples), baseline], ignore_index=True)
    path = tmp_path_factory.mktemp("saved") / "predictions.parquet"
    table.to_parquet(path)
    return pd.read_parquet(path)


def test_the_same_scorer_gives_the_same_table_and_the_same_figures(saved, samples):
    again = rescore(saved, samples, SCORER)
    pd.testing.assert_frame_equal(again, saved)
    assert assemble(again, {}, 200, seed=0) == assemble(saved, {}, 200, seed=0)


def test_marks_come_from_the_answers_alone(saved, samples):
    answered, spoken = saved["response"].notna(), saved["setting"] == "audio_to_audio"
    spoilt = saved.copy()
    for name in ("right", "right_lenient", "format_valid"):
        spoilt.loc[answered, name] = ~saved.loc[answered, name].astype(bool)
    for name in ("reward", "reward_answer", "reward_format_audio", "reasoning_tokens", "reference_tokens"):
        spoilt.loc[answered, name] = 99
    spoilt.loc[answered, ["verdict", "reason"]] = "nonsense"
    spoilt.loc[spoken, ["words", "word_deletions", "character_errors"]] = 99
    spoilt.loc[spoken, "verdict_heard"] = "nonsense"
    pd.testing.assert_frame_equal(rescore(spoilt, samples, SCORER), saved)


def test_other_weights_give_another_reward_and_the_same_verdicts(saved, samples):
    scorer = Scorer(RewardParams(weights=RewardWeights(answer=5.0, format_audio=0.0)))
    again = rescore(saved, samples, scorer)
    marked = saved["response"].notna()
    right = marked & saved["right"].astype(bool)
    gain = (again["reward"] - saved["reward"] + saved["reward_format_audio"])[marked]
    assert gain[right].to_numpy() == pytest.approx(3.0)
    assert gain[~right].to_numpy() == pytest.approx(0.0)
    for name in ("response", "verdict", "right", "verdict_heard", *CHECKED):
        pd.testing.assert_series_equal(again[name], saved[name])
    assert saved.loc[saved["setting"] == "audio_to_audio", "reward_format_audio"].tolist() == [0.5, 0.0, 0.0, 0.5]


def test_plain_style_finds_no_verdict_in_tagged_answers(saved, samples):
    again = rescore(saved, samples, Scorer(RewardParams(style="plain")))
    assert set(again.loc[saved["verdict"].notna() & saved["response"].notna(), "reason"]) == {"unexpected_tag"}
    majority = again["policy"] == "majority"
    pd.testing.assert_frame_equal(again[majority], saved[majority])


def test_what_was_not_checked_stays_so(saved, samples):
    blank = saved.assign(restated=None)
    assert rescore(blank, samples, SCORER)["restated"].isna().all()


def test_answers_to_other_problems_are_refused(saved, samples):
    with pytest.raises(SoundmindError, match="1 answered problems"):
        rescore(saved, samples.iloc[1:], SCORER)


def test_other_problems_under_the_same_uids_are_refused(saved, samples):
    other = samples.copy()
    other.loc[3, "label"] = 1 - other.at[3, "label"]
    with pytest.raises(SoundmindError, match=f"give {samples.at[3, 'uid']} another label"):
        rescore(saved, other, SCORER)


@pytest.mark.parametrize("column", ["leaked", "response", "reward_overlong"])
def test_a_table_of_an_earlier_version_is_told(saved, samples, column):
    with pytest.raises(SoundmindError, match=f"no column '{column}'"):
        rescore(saved.drop(columns=column), samples, SCORER)

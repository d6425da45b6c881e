"""The problems that the report shows."""

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.examples import choose_examples
from soundmind_pipeline.evaluation.players import Players, clip_uri


def test_half_of_the_examples_are_wrong_and_stand_first(predictions, samples, waves):
    examples = choose_examples(predictions, samples, waves, 8)
    kinds = [example.kind for example in examples]
    assert len({example.uid for example in examples}) == 8
    wrong = [example for example in examples if not example.after.right]
    heard = predictions[(predictions["setting"] == "audio_to_text") & (predictions["control"] == "none")]
    failures = int((~heard.loc[heard["policy"] == "rl", "right"].astype(bool)).sum())
    assert len(wrong) >= min(4, failures) > 0 and examples[: len(wrong)] == wrong
    assert kinds.count("corrected by RL") >= 2
    forms = [example.form for example in examples if example.kind == "corrected by RL"]
    assert len(set(forms)) > 1
    assert examples == choose_examples(predictions.sample(frac=1, random_state=0), samples, waves, 8)


def test_spoken_answers_come_with_what_was_heard(spoken_predictions, samples, waves):
    read = []

    def read_clip(path):
        read.append(path)
        return None if path.startswith("clips/sft") else np.zeros(1600, np.float32)

    examples = choose_examples(spoken_predictions, samples, waves, 4, read_clip)
    spoken = set(spoken_predictions.loc[spoken_predictions["setting"] == "audio_to_audio", "uid"])
    aloud = [example for example in examples if example.uid in spoken]
    assert len(aloud) >= 3  # preferred, where a kind has them: a third of the problems
    assert sorted(read) == sorted(f"clips/{policy}/{e.uid}.wav" for e in aloud for policy in ("sft", "rl"))
    for example in aloud:
        assert example.after.audio.startswith("data:audio/wav") and example.before.audio == ""  # the file was gone
        assert example.after.transcript.startswith("so he said: answer")
        assert example.after.right_heard == example.after.right
    assert all(not e.after.audio for e in choose_examples(spoken_predictions, samples, waves, 4))


def test_no_answer_takes_the_place_of_a_question(spoken_predictions, samples, waves, monkeypatch):
    place = sum(len(clip_uri(waves[uid])) for uid in sorted(waves, key=lambda uid: -len(waves[uid]))[:4])
    monkeypatch.setattr("soundmind_pipeline.evaluation.examples.Players", lambda: Players(place))
    examples = choose_examples(spoken_predictions, samples, waves, 4, lambda _: np.zeros(place // 4, np.float32))
    assert all(example.audio for example in examples)


def test_reasoning_is_compared_with_the_right_one(predictions, samples, waves):
    slips = [e for e in choose_examples(predictions, samples, waves, 30) if not e.reference_right]
    assert slips
    for example in slips:  # where the teacher slipped, its own reasoning is no yardstick
        assert example.yardstick and example.yardstick not in example.reference
    published = choose_examples(predictions, samples.assign(problem=None), waves, 3)
    assert all(example.yardstick in example.reference for example in published)


def test_kinds_that_are_missing_are_filled_up(prediction, samples, waves):
    uids = samples["uid"].head(5)
    rows = [prediction(uid, right=True, policy=policy) for uid in uids for policy in ("sft", "rl")]
    assert len(choose_examples(pd.DataFrame(rows), samples, waves, 4)) == 4
    assert len(choose_examples(pd.DataFrame(rows), samples, waves, 50)) == 5
    assert choose_examples(pd.DataFrame(rows), samples, waves, 0) == []


def test_answers_are_cut_at_the_last_marker(prediction, samples, waves):
    uid = samples.at[0, "uid"]
    said = "<think> Answer: is a word. </think> Answer: not entailed."
    broken = {"response": "<think> on and on", "format_valid": False, "reason": "tag_count", "right": False}
    rows = [prediction(uid, policy="sft", **broken), prediction(uid, policy="rl", response=said)]
    (example,) = choose_examples(pd.DataFrame(rows), samples, waves, 1)
    assert (example.after.reasoning, example.after.conclusion) == ("Answer: is a word.", "Answer: not entailed.")
    assert (example.before.reasoning, example.before.conclusion) == ("on and on", "")
    assert example.before.reason == "tag_count"
    assert example.question == samples.at[0, "user_content"]
    assert example.reference == samples.at[0, "reference_answer"]

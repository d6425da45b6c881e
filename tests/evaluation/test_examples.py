"""The problems that the report shows."""

import base64
import io

import numpy as np
import pandas as pd
import soundfile

from soundmind_pipeline.evaluation.examples import choose_examples, wav_data_uri


def test_a_clip_comes_back_from_its_uri():
    wave = np.linspace(-0.5, 0.5, 800).astype(np.float32)
    head, _, body = wav_data_uri(wave).partition(",")
    assert head == "data:audio/wav;base64"
    back, rate = soundfile.read(io.BytesIO(base64.b64decode(body)), dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(back, wave, atol=1 / 32768)


def test_half_of_the_examples_show_what_rl_corrected(predictions, samples, waves):
    examples = choose_examples(predictions, samples, waves, 8)
    kinds = [(example.before.right, example.after.right) for example in examples]
    assert len(examples) == 8
    assert kinds.count((False, True)) >= 4
    assert kinds.count((True, True)) >= 2
    assert len({example.uid for example in examples}) == 8
    corrected = [example.form for example in examples if (example.before.right, example.after.right) == (False, True)]
    assert len(set(corrected)) > 1
    assert examples == choose_examples(predictions.sample(frac=1, random_state=0), samples, waves, 8)


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

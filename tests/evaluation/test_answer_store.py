"""Answers on disk: a run that finds them is the run that gave them, and nothing else finds them."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

from soundmind_pipeline.evaluation import answer_store
from soundmind_pipeline.evaluation.answer_store import AnswerStore
from soundmind_pipeline.evaluation.conditions import Condition
from soundmind_pipeline.evaluation.params import EvaluationParams, SampledParams
from soundmind_pipeline.evaluation.predict import load_examiner
from soundmind_pipeline.policy.folder import save_policy
from soundmind_pipeline.rewards.params import RewardParams, ShapingParams

HEARD, READ = Condition("audio_to_text"), Condition("text_to_text")
DRAWN = SampledParams(n=2, problems=4)
PARAMS = EvaluationParams(max_new_tokens=5, batch_rows=4)


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def few(samples):
    return samples.head(8)


@pytest.fixture
def log_mels(few):
    rng = np.random.default_rng(0)
    return {uid: rng.normal(size=(20 + place, 128)).astype(np.float32) for place, uid in enumerate(few["uid"])}


@pytest.fixture
def folder(tiny_policy, tmp_path):
    return save_policy(tiny_policy, tmp_path / "policy")


class Run:
    """One run of the evaluation: what it answers, and the batches that it generates."""

    def __init__(self, folder, store, params=PARAMS, reward=None, instruction="does it follow?", killed_after=None):
        self.batches: list[int] = []
        self.examiner = load_examiner("rl", folder, instruction, reward or RewardParams(), params, store)
        generate = self.examiner.engine.generate

        def counted(prompts, sampling, generator):
            if len(self.batches) == killed_after:
                raise Killed
            self.batches.append(len(prompts))
            return generate(prompts, sampling, generator)

        self.examiner.engine.generate = counted

    def answer(self, few, log_mels):
        tables = [self.examiner.predict(few, log_mels, condition) for condition in (HEARD, READ)]
        return pd.concat([*tables, self.examiner.sample(few, log_mels, READ, DRAWN)], ignore_index=True)


@pytest.fixture
def run(folder, few, log_mels, tmp_path):
    def answer(**changes):
        clips = changes.pop("log_mels", log_mels)
        done = Run(changes.pop("folder", folder), AnswerStore(tmp_path / "answers"), **changes)
        return done.answer(few, clips), done.batches

    return answer


def test_answers_are_the_same_with_and_without_the_store_and_given_once(run, folder, few, log_mels, caplog):
    caplog.set_level("INFO")
    plain = Run(folder, None).answer(few, log_mels)
    first, batches = run()
    assert batches == [4, 4, 4, 4, 2, 2]
    assert "answered already" not in caplog.text
    again, batches = run()
    assert batches == []
    assert "rl audio_to_text: 8 of 8 answered already" in caplog.text
    assert caplog.text.count("answered already") == 3
    pd.testing.assert_frame_equal(first, plain)
    pd.testing.assert_frame_equal(again, plain)


@pytest.mark.parametrize("killed_after", [1, 3, 5])
def test_a_killed_run_gives_only_the_answers_that_are_left(run, folder, few, log_mels, killed_after):
    with pytest.raises(Killed):
        run(killed_after=killed_after)
    table, batches = run()
    assert batches == [4, 4, 4, 4, 2, 2][killed_after:]
    # Answers drawn at random go on where the generator stood.
    pd.testing.assert_frame_equal(table, Run(folder, None).answer(few, log_mels))


def test_another_reward_marks_the_kept_answers_anew(run):
    first, _ = run()
    again, batches = run(reward=RewardParams(shaping=ShapingParams(malformed=-1.0)))
    assert batches == []
    assert again["response"].tolist() == first["response"].tolist()
    assert (set(first["reward"]), set(again["reward"])) == ({0.0}, {-1.0})


def test_other_weights_in_the_same_folder_answer_anew(run, folder):
    first, _ = run()
    weights = folder.path / "model.safetensors"
    save_file({name: tensor * 1.5 for name, tensor in load_file(weights).items()}, weights, metadata={"format": "pt"})
    again, batches = run()
    assert len(batches) == 6
    assert again["response"].tolist() != first["response"].tolist()


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        ({"instruction": "does it really follow?"}, 6),
        ({"params": PARAMS.model_copy(update={"max_new_tokens": 6})}, 6),
        ({"params": PARAMS.model_copy(update={"batch_rows": 3})}, 10),
        ({"params": PARAMS.model_copy(update={"dtype": "bfloat16"})}, 6),
        ({"params": PARAMS.model_copy(update={"seed": 1})}, 2),  # decides on what is drawn only
    ],
)
def test_what_decides_on_answers_has_them_given_anew(run, changes, given):
    run()
    assert len(run(**changes)[1]) == given


def test_other_code_and_other_libraries_answer_anew(run, monkeypatch):
    run()
    made_with = answer_store.answering_code()
    assert set(made_with) == {"code", "torch", "transformers", "peft"}
    for name in made_with:
        monkeypatch.setattr(answer_store, "answering_code", lambda other=made_with | {name: "other"}: other)
        assert len(run()[1]) == 6


def test_the_decoder_decides_on_answers_and_the_scorer_does_not(tmp_path, monkeypatch):
    source = Path(answer_store.__file__).parents[2]
    folder = tmp_path / "src" / "soundmind_pipeline"
    shutil.copytree(source / "soundmind_pipeline", folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(answer_store, "__file__", str(folder / "evaluation" / "answer_store.py"))
    digests = []
    for changed in (
        None,
        "rewards/scorer.py",
        "evaluation/marking.py",
        "policy/rollout/decoder.py",
        "policy/thinker.py",
    ):
        if changed:
            (folder / changed).write_text((folder / changed).read_text() + "# changed\n")
        digests.append(answer_store.answering_code.__wrapped__()["code"])
    assert digests[0] == digests[1] == digests[2] == answer_store.answering_code()["code"]
    assert len(set(digests[2:])) == 3


def test_another_sound_is_heard_anew_in_its_batch_alone(run, few, log_mels):
    run()
    changed = log_mels | {few["uid"].iloc[0]: log_mels[few["uid"].iloc[0]] + 0.1}
    assert run(log_mels=changed)[1] == [4]


def test_only_what_was_used_is_kept_in_the_end(folder, few, log_mels, tmp_path):
    answers = tmp_path / "answers"
    Run(folder, AnswerStore(answers)).answer(few, log_mels)
    store = AnswerStore(answers)
    other = Run(folder, store, instruction="so?")
    other.answer(few, log_mels)
    assert len(list(answers.iterdir())) == 12
    store.forget_others()
    assert len(list(answers.iterdir())) == 6
    other.answer(few, log_mels)
    assert len(other.batches) == 6


def test_a_file_that_lost_its_content_is_answered_again(run, tmp_path):
    first, _ = run()
    next((tmp_path / "answers").iterdir()).write_text("")
    again, batches = run()
    assert len(batches) == 1
    pd.testing.assert_frame_equal(again, first)

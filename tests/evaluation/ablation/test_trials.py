"""Real trainings of a tiny policy: two arms, two seeds, one round each."""

import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.code_files import code_files
from soundmind_pipeline.evaluation.ablation import trials
from soundmind_pipeline.evaluation.ablation.arms import arms_of
from soundmind_pipeline.evaluation.ablation.params import AblationParams
from soundmind_pipeline.evaluation.ablation.trials import TrialInputs, run_all
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.evaluation.predict import Examiner
from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.policy.folder import Policy, save_policy
from soundmind_pipeline.policy.nano import build_thinker
from soundmind_pipeline.policy.params import LoraParams, SamplingParams
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.training.params import DevParams, RlParams
from soundmind_pipeline.training.reinforce import trainer

ABLATION = AblationParams(settings=["full", "no_answer"], seeds=[0, 1], rl={"spoken": {"enabled": False}}, problems=3)
RL = RlParams(
    threads=1,
    steps=1,
    prompts_per_step=2,
    sampling=SamplingParams(n=2, max_new_tokens=4),
    lora=LoraParams(rank=2),
    dev=DevParams(every=0),
)
NAMES = ["full seed 0", "no_answer seed 0", "full seed 1", "no_answer seed 1"]


@pytest.fixture(scope="module")
def inputs(tiny_processor, tiny_params, tmp_path_factory):
    index = generate_samples(VerifiedParams(counts=SplitCounts(train=6, dev=1, test=3)))
    index = index.assign(question_seconds=1.0, answer_seconds=None)
    policy = Policy(build_thinker(tiny_params, tiny_processor, seed=0), tiny_processor)
    return TrialInputs(
        sft_policy=save_policy(policy, tmp_path_factory.mktemp("policy") / "sft"),
        index=index,
        log_mels={uid: np.full((20, 128), -1.0, np.float32) for uid in index["uid"]},
        deepspeed={"gradient_clipping": "auto", "zero_optimization": {"stage": 2}},
        evaluation=EvaluationParams(max_problems=3, max_new_tokens=4, threads=1),
    )


@pytest.fixture
def trained(monkeypatch):
    """Arms and seeds in the order in which they were trained; `stop_at` makes a training fail."""
    calls, train = [], trainer.train_rl

    def train_rl(**arguments):
        params = arguments["params"]
        arm = "full" if params.reward.weights.answer else "no_answer"
        calls.append(f"{arm} seed {params.seed}")
        if calls[-1] in stop_at:
            raise RuntimeError("the power is out")
        return train(**arguments)

    stop_at = set()
    monkeypatch.setattr(trainer, "train_rl", train_rl)
    calls_and_stop = type("Trained", (), {"calls": calls, "stop_at": stop_at})
    return calls_and_stop


def run(inputs, work, ablation=ABLATION, sink=None):
    return run_all(arms_of(ablation, RL), ablation, inputs, work, sink or ListSink())


@pytest.fixture(scope="module")
def straight(inputs, tmp_path_factory):
    """One uninterrupted ablation: its folder, tables and sink."""
    work, sink = tmp_path_factory.mktemp("straight"), ListSink()
    return work, *run(inputs, work, sink=sink), sink


def without_times(histories):
    return histories[[name for name in histories if "second" not in name]]


def test_every_trial_answers_heard_and_read(straight):
    _, predictions, histories, _ = straight
    sizes = predictions.groupby(["arm", "seed", "setting"]).size()
    assert sizes.to_dict() == {
        (arm, seed, setting): 3
        for arm, seed in [("sft", 0), *((arm, seed) for arm in ("full", "no_answer") for seed in (0, 1))]
        for setting in ("audio_to_text", "text_to_text")
    }
    assert histories.groupby(["arm", "seed"]).size().to_dict() == dict.fromkeys(
        [("full", 0), ("full", 1), ("no_answer", 0), ("no_answer", 1)], 1
    )


def test_each_trial_is_a_child_with_training_and_result(straight):
    _, predictions, histories, sink = straight
    assert list(sink.children) == NAMES
    logged = {name: value for _, row in sink.children["no_answer seed 1"].rows for name, value in row.items()}
    rows = predictions.query("arm == 'no_answer' and seed == 1 and setting == 'audio_to_text'")
    assert logged["eval/audio_to_text/accuracy"] == rows["right"].mean()
    # Marked with the paper's weights, not with those that the arm was trained on.
    assert logged["eval/audio_to_text/reward"] == rows["reward"].mean()
    reward = histories.query("arm == 'no_answer' and seed == 1")["reward/total"].item()
    assert logged["reward/total"] == pytest.approx(reward)


def test_nothing_but_the_results_is_kept(straight):
    work = straight[0]
    folders = sorted(work.iterdir())
    assert [folder.name.rpartition("-")[0] for folder in folders] == [
        "full-seed0", "full-seed1", "no_answer-seed0", "no_answer-seed1", "sft",
    ]  # fmt: skip
    assert {file.name for folder in folders for file in folder.iterdir()} == {"history.csv", "predictions.parquet"}


def test_a_finished_ablation_is_read_again(straight, inputs, trained, caplog, tmp_path):
    work = shutil.copytree(straight[0], tmp_path / "work")
    caplog.set_level("INFO")
    sink = ListSink()
    predictions, histories = run(inputs, work, sink=sink)
    assert trained.calls == []
    pd.testing.assert_frame_equal(predictions, straight[1])
    pd.testing.assert_frame_equal(histories, straight[2])
    assert "4 of 4 trials are finished already: full seed 0, no_answer seed 0" in caplog.text
    # A new parent run has its parts too.
    assert sink.children["full seed 0"].rows[-1] == straight[3].children["full seed 0"].rows[-1]


def test_a_kill_behind_the_last_answer_leaves_no_weights(straight, inputs, trained, tmp_path):
    work = shutil.copytree(straight[0], tmp_path / "work")
    left = next(folder for folder in work.iterdir() if folder.name.startswith("full-seed1")) / "training"
    (left / "export").mkdir(parents=True)
    run(inputs, work)
    assert trained.calls == [] and not left.exists()


def test_an_interrupted_ablation_goes_on(straight, inputs, trained, tmp_path, caplog):
    caplog.set_level("INFO")
    trained.stop_at.add("full seed 1")
    with pytest.raises(RuntimeError, match="power"):
        run(inputs, tmp_path)
    assert trained.calls == NAMES[:3]
    trained.calls.clear()
    trained.stop_at.clear()
    predictions, histories = run(inputs, tmp_path)
    assert trained.calls == NAMES[2:]
    pd.testing.assert_frame_equal(predictions, straight[1])
    pd.testing.assert_frame_equal(without_times(histories), without_times(straight[2]))
    assert "2 of 4 trials are finished already: full seed 0, no_answer seed 0." in caplog.text
    assert "Trial 3 of 4, full seed 1" in caplog.text and "; 1 left, about" in caplog.text


def test_a_policy_that_is_trained_but_not_examined_is_not_trained_again(
    straight, inputs, trained, tmp_path, monkeypatch
):
    answer, answered = Examiner._answer, []

    def interrupted(self, *arguments):
        if answered[-1:] == ["no_answer"]:
            raise KeyboardInterrupt
        answered.append(self.name)
        return answer(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Examiner, "_answer", interrupted)
        run(inputs, tmp_path)
    assert answered == ["sft", "sft", "full", "full", "no_answer"]
    trained.calls.clear()
    answered.clear()
    monkeypatch.setattr(Examiner, "_answer", lambda self, *asked: answered.append(self.name) or answer(self, *asked))
    predictions, _ = run(inputs, tmp_path)
    assert trained.calls == NAMES[2:]
    assert answered == ["no_answer", "full", "full", "no_answer", "no_answer"]  # the first heard already
    pd.testing.assert_frame_equal(predictions, straight[1])


def test_only_what_changed_is_trained(straight, inputs, trained, tmp_path):
    work = shutil.copytree(straight[0], tmp_path / "work")
    more = ABLATION.model_copy(update={"seeds": (1, 2)})
    run(inputs, work, more)
    assert trained.calls == ["full seed 2", "no_answer seed 2"]
    trained.calls.clear()
    weights = {**ABLATION.weights, "no_answer": {"answer": 0.0, "length_text": 0.5}}
    run(inputs, work, ABLATION.model_copy(update={"weights": weights}))
    assert trained.calls == ["no_answer seed 0", "no_answer seed 1"]


def test_other_problems_data_or_an_order_to_start_anew_train_all(straight, inputs, trained, tmp_path):
    one = ABLATION.model_copy(update={"settings": ("full",), "seeds": (0,)})
    for changed, ablation in (
        (replace(inputs, evaluation=inputs.evaluation.model_copy(update={"max_problems": 2})), one),
        (replace(inputs, index=inputs.index.assign(question_seconds=2.0)), one),
        (inputs, one.model_copy(update={"resume": False})),
    ):
        work = shutil.copytree(straight[0], tmp_path / str(len(trained.calls)))
        run(changed, work, ablation)
    assert trained.calls == ["full seed 0"] * 3


@pytest.mark.parametrize("changed", ["code", "torch", "deepspeed"])
def test_other_code_or_another_library_trains_and_answers_anew(
    straight, inputs, trained, tmp_path, monkeypatch, changed
):
    work = shutil.copytree(straight[0], tmp_path / "work")
    made = trials.made_with(trials._CODE, trials._LIBRARIES, Path(trials.__file__).parents[3])
    monkeypatch.setattr(trials, "made_with", lambda *asked, **source: made | {changed: "other"})
    monkeypatch.setattr(trials, "_code", trials._code.__wrapped__)
    run(inputs, work, ABLATION.model_copy(update={"settings": ("full",), "seeds": (0,)}))
    assert trained.calls == ["full seed 0"]
    assert len(list(work.glob("sft-*"))) == 2


def test_the_code_is_that_of_training_answers_and_marks():
    source = Path(trials.__file__).parents[3]
    files = {file.as_posix() for file in code_files(trials._CODE, source)}
    for decisive in ("training/reinforce/advantages", "policy/rollout/decoder", "rewards/scorer", "evaluation/marking"):
        assert f"src/soundmind_pipeline/{decisive}.py" in files
    assert not any("ablation" in file or "report" in file for file in files)


def test_starting_anew_asks_the_sft_policy_too(straight, inputs, tmp_path, monkeypatch):
    work = shutil.copytree(straight[0], tmp_path / "work")
    answer, answered = Examiner._answer, []
    monkeypatch.setattr(Examiner, "_answer", lambda self, *asked: answered.append(self.name) or answer(self, *asked))
    run(inputs, work, ABLATION.model_copy(update={"settings": ("full",), "seeds": (0,), "resume": False}))
    assert answered == ["sft", "sft", "full", "full"]


def test_rewards_that_cannot_be_earned_are_told(inputs, tmp_path, straight, caplog):
    work = shutil.copytree(straight[0], tmp_path / "work")
    run(inputs, work)
    assert "Rollouts are not spoken: the audio rewards of full, no_answer are never paid." in caplog.text


def test_an_error_ends_the_child_with_it(inputs, trained, tmp_path, caplog):
    endings = {}

    class Sink(ListSink):
        @contextmanager
        def child(self, name, params, tags):
            assert params["rl.seed"] == int(tags["soundmind.seed"])
            try:
                yield ListSink()
                endings[name] = "done"
            except RuntimeError:
                endings[name] = "failed"
                raise

    trained.stop_at.add("no_answer seed 0")
    with pytest.raises(RuntimeError):
        run(inputs, tmp_path, sink=Sink())
    assert endings == {"full seed 0": "done", "no_answer seed 0": "failed"}
    assert "no_answer seed 0 failed; what is finished is kept" in caplog.text

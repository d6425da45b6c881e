import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.policy.folder import load_policy
from soundmind_pipeline.policy.params import LoraParams, SamplingParams
from soundmind_pipeline.training.params import DevParams, PhaseParams, RlParams, ScheduleParams, SftParams
from soundmind_pipeline.training.reinforce.params import AlgorithmParams
from soundmind_pipeline.training.reinforce.trainer import train_rl
from soundmind_pipeline.training.sft import train_sft

CONSTANT = ScheduleParams(lr=1e-2, warmup_steps=2, decay="constant")
PARAMS = RlParams(
    threads=1,
    steps=4,
    prompts_per_step=4,
    sampling=SamplingParams(n=4, max_new_tokens=14),
    lora=LoraParams(rank=4, alpha=8.0),
    schedule=CONSTANT,
    checkpoint_every=2,
    dev=DevParams(every=2, problems=4),
)
TIMES = ["rollout/seconds", "rollout/tokens_per_second", "train/reference_seconds", "train/update_seconds"]


class KillingSink(ListSink):
    """Ends the training when a round is reported, as Ctrl-C would."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def log(self, step, metrics):
        super().log(step, metrics)
        if step == self.step:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def sft_policy(toy_policy, toy, tmp_path_factory):
    """A policy that keeps the format and guesses the verdict: it has seen every question with either one."""
    index, log_mels = toy
    flipped = index["reference_answer"].where(
        index["label"] == 0, index["reference_answer"].str.replace(": entailed", ": not entailed")
    )
    flipped = flipped.where(index["label"] == 1, index["reference_answer"].str.replace(": not entailed", ": entailed"))
    both = pd.concat([index, index.assign(reference_answer=flipped)], ignore_index=True)
    phase = PhaseParams(
        name="reason", steps=110, train=("embeddings", "text"), text_rows=12, audio_rows=6,
        schedule=CONSTANT.model_copy(update={"decay": "cosine"}),
    )  # fmt: skip
    work = tmp_path_factory.mktemp("warm")
    folder, _ = train_sft(
        toy_policy, both, log_mels, work, ListSink(), SftParams(phases=(phase,), threads=1, checkpoint_every=1000),
        {"gradient_clipping": "auto", "zero_optimization": {"stage": 0}},
    )  # fmt: skip
    return folder


def run(policy, toy, work, zero2, params=PARAMS, sink=None):
    sink = sink or ListSink()
    folder, history = train_rl(policy, *toy, work, sink, params, zero2)
    return folder, history, sink


@pytest.fixture(scope="module")
def straight(sft_policy, toy, tmp_path_factory):
    """One uninterrupted run: its folder, history and what the sink got."""
    work = tmp_path_factory.mktemp("straight")
    return run(sft_policy, toy, work, {"gradient_clipping": "auto", "zero_optimization": {"stage": 2}})


def weights(folder):
    return load_file(folder.path / ("adapter_model.safetensors" if folder.is_adapter else "model.safetensors"))


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_history_and_metrics_tell_every_round(straight):
    folder, history, sink = straight
    assert history["step"].tolist() == [1, 2, 3, 4] == [step for step, _ in sink.rows]
    assert {
        "reward/total", "reward/answer", "reward/format_text", "reward/length_text", "reward/accuracy", "policy/kl",
        "policy/entropy", "policy/clip_fraction", "policy/grad_norm", "policy/loss", "rollout/length",
        "rollout/truncated", "rollout/tied_groups", "rollout/tokens_per_second", "rollout/log_prob_agreement",
        "train/lr",
    } <= set(sink.rows[0][1])  # fmt: skip
    assert history["eval/dev/audio_to_text/accuracy"].notna().tolist() == [False, True, False, True]
    assert (history["policy/grad_norm"] > 0).all()
    assert [path.name for path in folder.path.parent.iterdir()] == ["export"]


def test_the_sft_policy_is_its_own_reference_at_first(straight):
    history = straight[1]
    assert abs(history["policy/kl"].iloc[0]) < 1e-5
    assert abs(history["policy/kl"].iloc[-1]) > 1e-4


def test_sampler_and_trainer_agree(straight):
    history = straight[1]
    assert (history["rollout/log_prob_agreement"] > 0.9999).all()
    assert (history["rollout/log_prob_difference"] < 1e-3).all()
    assert history["policy/ratio"].iloc[0] == pytest.approx(1.0, abs=0.2)


def test_the_adapter_loads_in_plain_peft(straight, sft_policy):
    from peft import PeftModel
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration

    folder = straight[0]
    base = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(sft_policy.path)
    plain, ours = PeftModel.from_pretrained(base, folder.path).eval(), load_policy(folder)
    tokens = torch.tensor([ours.processor.tokenizer("if tom is happy then anna is rich")["input_ids"]])
    with torch.no_grad():
        before, after = load_policy(sft_policy).model(tokens).logits, plain(tokens).logits
        assert torch.equal(after, ours.model(tokens).logits)
    assert not torch.allclose(before, after, atol=1e-3)
    assert folder.base.path.resolve() == sft_policy.path.resolve()


@pytest.mark.parametrize("step", [1, 2, 3])
def test_interrupted_and_resumed_gives_the_same_bits(straight, sft_policy, toy, zero2, tmp_path, step):
    folder, history, _ = straight
    with pytest.raises(KeyboardInterrupt):
        run(sft_policy, toy, tmp_path, zero2, sink=KillingSink(step))
    again, resumed, sink = run(sft_policy, toy, tmp_path, zero2)
    assert same(weights(folder), weights(again))
    pd.testing.assert_frame_equal(history.drop(columns=TIMES), resumed.drop(columns=TIMES))
    assert [row for row, _ in sink.rows] == [1, 2, 3, 4]


KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from soundmind_pipeline.metrics import NullSink
from soundmind_pipeline.training.engine import PolicyEngine
from soundmind_pipeline.training.reinforce.trainer import train_rl
accumulate, calls = PolicyEngine.accumulate, []
def die_between_micro_steps(self, batch):
    calls.append(1)
    if len(calls) == 6:  # two minibatches a round: round 3, before its second optimisation step
        os.kill(os.getpid(), signal.SIGKILL)
    return accumulate(self, batch)
PolicyEngine.accumulate = die_between_micro_steps
job = pickle.loads(Path(sys.argv[1]).read_bytes())
train_rl(metrics=NullSink(), **job)
"""


def test_killed_in_an_update_and_resumed_gives_the_same_bits(straight, sft_policy, toy, zero2, tmp_path):
    job = {"sft_policy": sft_policy, "index": toy[0], "log_mels": toy[1], "work": tmp_path / "work", "params": PARAMS,
           "deepspeed": zero2}  # fmt: skip
    pd.to_pickle(job, tmp_path / "job.pkl")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "job.pkl"], env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    assert [path.name for path in (tmp_path / "work" / "checkpoints").iterdir()] == ["step-00000002"]
    again, resumed, _ = run(sft_policy, toy, tmp_path / "work", zero2)
    assert same(weights(straight[0]), weights(again))
    pd.testing.assert_frame_equal(straight[1].drop(columns=TIMES), resumed.drop(columns=TIMES))


@pytest.mark.parametrize("stage", [0, 3])
def test_zero_stages_agree(straight, sft_policy, toy, tmp_path, stage):
    config = {"gradient_clipping": "auto", "zero_optimization": {"stage": stage}}
    _, history, _ = run(sft_policy, toy, tmp_path, config, PARAMS.model_copy(update={"steps": 2}))
    for name in ("policy/loss", "policy/grad_norm", "reward/total"):
        assert history[name].tolist() == pytest.approx(straight[1][name].tolist()[:2], rel=1e-3, abs=1e-5), name


def test_small_micro_batches_train_alike(straight, sft_policy, toy, zero2, tmp_path):
    small = PARAMS.model_copy(update={"micro_batch_tokens": 40, "steps": 2})
    _, history, _ = run(sft_policy, toy, tmp_path, zero2, small)
    for name in ("policy/loss", "policy/grad_norm", "reward/total"):
        assert history[name].tolist() == pytest.approx(straight[1][name].tolist()[:2], rel=1e-3, abs=1e-5), name


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"adaptation": "full", "schedule": CONSTANT.model_copy(update={"lr": 3e-3})},
        {"algorithm": AlgorithmParams(name="grpo")},
        {"algorithm": AlgorithmParams(name="dapo", dynamic_sampling_term="total")},
    ],
    ids=["reinforce_pp", "full", "grpo", "dapo"],
)
def test_reward_rises(sft_policy, toy, zero2, tmp_path, changes):
    """Where "entailed" is always right, a policy that guessed learns to say so."""
    index, log_mels = toy
    params = PARAMS.model_copy(
        update={"steps": 12, "prompts_per_step": 6, "dev": DevParams(every=0), "audio_share": 0.5, **changes}
    )
    folder, history, _ = run(sft_policy, (index.assign(label=1), log_mels), tmp_path, zero2, params)
    accuracy = history["reward/accuracy"]
    assert accuracy.iloc[:2].mean() < 0.75
    assert accuracy.iloc[-3:].mean() > accuracy.iloc[:2].mean() + 0.2
    assert folder.is_adapter == (params.adaptation == "lora")


def test_full_training_leaves_the_audio_tower_alone(sft_policy, toy, zero2, tmp_path):
    folder, *_ = run(sft_policy, toy, tmp_path, zero2, PARAMS.model_copy(update={"adaptation": "full", "steps": 1}))
    before, after = weights(sft_policy), weights(folder)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and not any("audio_tower" in name or "visual" in name for name in changed)


def test_the_best_on_dev_is_kept(sft_policy, toy, zero2, tmp_path):
    # A ruinous learning rate: what comes first is best.
    ruinous = PARAMS.model_copy(update={"schedule": CONSTANT.model_copy(update={"lr": 0.3, "warmup_steps": 0})})
    params = ruinous.model_copy(update={"dev": DevParams(every=1, problems=8, keep="best")})
    folder, history, _ = run(sft_policy, toy, tmp_path / "best", zero2, params)
    accuracy = history["eval/dev/audio_to_text/accuracy"].tolist()
    best_step = accuracy.index(max(accuracy)) + 1
    assert best_step < params.steps
    until_best = ruinous.model_copy(update={"steps": best_step, "dev": DevParams(every=0)})
    expected, *_ = run(sft_policy, toy, tmp_path / "until", zero2, until_best)
    assert same(weights(folder), weights(expected))


def test_the_best_survives_a_resumption(sft_policy, toy, zero2, tmp_path):
    ruinous = PARAMS.model_copy(update={"schedule": CONSTANT.model_copy(update={"lr": 0.3, "warmup_steps": 0})})
    params = ruinous.model_copy(update={"dev": DevParams(every=1, problems=8, keep="best")})
    expected, *_ = run(sft_policy, toy, tmp_path / "straight", zero2, params)
    with pytest.raises(KeyboardInterrupt):
        run(sft_policy, toy, tmp_path / "resumed", zero2, params, KillingSink(3))
    folder, *_ = run(sft_policy, toy, tmp_path / "resumed", zero2, params)
    assert same(weights(folder), weights(expected))


def test_too_many_minibatches_are_refused(sft_policy, toy, zero2, tmp_path):
    params = PARAMS.model_copy(update={"minibatches": 5})
    with pytest.raises(SoundmindError, match="cannot fill 5 minibatches"):
        run(sft_policy, toy, tmp_path, zero2, params)

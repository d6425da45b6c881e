"""Two processes on one machine agree with one, although their rows hold different numbers of tokens."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.policy.folder import load_policy
from soundmind_pipeline.policy.params import LoraParams, SamplingParams
from soundmind_pipeline.rewards.params import RewardParams, ShapingParams
from soundmind_pipeline.speech.params import SpeechParams
from soundmind_pipeline.training.params import DevParams, PhaseParams, RlParams, ScheduleParams, SftParams
from soundmind_pipeline.training.reinforce.spoken_params import SpokenRolloutParams
from soundmind_pipeline.training.sft import train_sft

SCHEDULE = ScheduleParams(lr=3e-3, warmup_steps=2)
# Five and three rows on two ranks: never equally many; small micro-batches: not equally many of them either.
PHASE = PhaseParams(
    name="joint",
    steps=4,
    train=("audio_tower", "embeddings", "text"),
    schedule=SCHEDULE,
    audio_rows=5,
    text_rows=3,
    ctc_weight=0.5,
)
SFT = SftParams(phases=(PHASE,), threads=1, checkpoint_every=2, micro_batch_tokens=70)
RL = RlParams(
    threads=1,
    steps=2,
    prompts_per_step=4,
    sampling=SamplingParams(n=2, max_new_tokens=8),
    lora=LoraParams(rank=2),
    checkpoint_every=1,
    dev=DevParams(every=1, problems=3),
    # The policy's weights are random: paid by the length of anything, its babble is spoken.
    spoken=SpokenRolloutParams(enabled=True, speech=SpeechParams(workers=1)),
    reward=RewardParams(shaping=ShapingParams(length_without_format=True)),
)

SHORT = SFT.model_copy(update={"phases": (PHASE.model_copy(update={"steps": 2}),), "lora": LoraParams(rank=2)})


def zero(stage, **options):
    return {"gradient_clipping": "auto", "zero_optimization": {"stage": stage, **options}}


def setting(adaptation, **changes):
    return SHORT.model_copy(update={"adaptation": adaptation, **changes})


OFFLOAD = {"offload_optimizer": {"device": "cpu"}}
SETTINGS = {
    **{(stage, way): (setting(way), zero(stage)) for stage in range(4) for way in ("full", "lora")},
    **{("3, recomputed", way): (setting(way, gradient_checkpointing=True), zero(3)) for way in ("full", "lora")},
    ("2, offloaded", "full"): (setting("full"), zero(2, **OFFLOAD)),
}


@pytest.fixture(scope="module")
def two_ranks(toy_policy, toy, tmp_path_factory):
    out = tmp_path_factory.mktemp("two_ranks")
    job = {"policy": toy_policy, "toy": toy, "sft": SFT, "rl": RL, "deepspeed": zero(2), "settings": SETTINGS}
    (out / "job.pkl").write_bytes(pickle.dumps(job))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = Path(__file__).with_name("two_ranks.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launcher, script, out / "job.pkl"], env=environment, capture_output=True, timeout=900)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return pickle.loads((out / "result.pkl").read_bytes())


def test_sft_losses_agree_with_one_process(two_ranks, toy_policy, toy, zero2, tmp_path):
    _, alone = train_sft(toy_policy, *toy, tmp_path, ListSink(), SFT, zero2)
    for name in ("sft/loss", "sft/ctc", "sft/loss_audio", "sft/loss_text", "sft/grad_norm"):
        assert two_ranks["sft"][name].tolist() == pytest.approx(alone[name].tolist(), rel=1e-5), name


@pytest.fixture(scope="module")
def alone(toy_policy, toy, tmp_path_factory):
    """The short job on one rank, by what is trained."""
    work = tmp_path_factory.mktemp("alone")
    return {way: train_sft(toy_policy, *toy, work, ListSink(), setting(way), zero(0))[1] for way in ("full", "lora")}


@pytest.mark.parametrize("key", SETTINGS, ids=str)
def test_every_zero_stage_agrees_with_one_process(two_ranks, alone, key):
    found, expected = two_ranks["settings"][key], alone[key[1]]
    for name in ("sft/loss", "sft/ctc", "sft/loss_audio", "sft/loss_text", "sft/grad_norm"):
        assert found[name].tolist() == pytest.approx(expected[name].tolist(), rel=1e-5), name


def test_rl_runs_on_two_ranks(two_ranks):
    history = two_ranks["rl"]
    assert history["step"].tolist() == [1, 2]
    assert history["rollout/length"].between(1, 8).all()
    assert (history["rollout/speech_seconds"] > 0.2).all() and (history["reward/length_audio"] > 0.1).all()
    assert (history["rollout/log_prob_agreement"] > 0.999).all()
    assert abs(history["policy/kl"].iloc[0]) < 1e-5
    assert load_policy(two_ranks["adapter"]).model.peft_config


def test_only_rank_0_tells_metrics(two_ranks):
    assert two_ranks["told"] == [6, 0]

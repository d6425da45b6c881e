import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.policy.params import LoraParams
from soundmind_pipeline.training.params import PhaseParams, ScheduleParams, SftParams
from soundmind_pipeline.training.sft import train_sft

SCHEDULE = ScheduleParams(lr=5e-3, warmup_steps=3)
PHASES = (
    PhaseParams(name="hear", steps=6, train=("audio_tower", "embeddings"), schedule=SCHEDULE, audio_rows=6,
                answer_weight=0.0, ctc_weight=1.0),
    PhaseParams(name="reason", steps=4, train=("embeddings", "text"), schedule=SCHEDULE, text_rows=6),
    PhaseParams(name="joint", steps=4, train=("audio_tower", "embeddings", "text"), schedule=SCHEDULE, audio_rows=4,
                text_rows=4, ctc_weight=0.5),
)  # fmt: skip
PARAMS = SftParams(phases=PHASES, threads=1, checkpoint_every=4)


class KillingSink(ListSink):
    """Ends the training when a step is reported, as Ctrl-C would."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def log(self, step, metrics):
        super().log(step, metrics)
        if step == self.step:
            raise KeyboardInterrupt


def run(policy, toy, work, zero2, params=PARAMS, sink=None):
    sink = sink or ListSink()
    folder, history = train_sft(policy, *toy, work, sink, params, zero2)
    return load_file(folder.path / "model.safetensors"), history, sink


@pytest.fixture(scope="module")
def straight(toy_policy, toy, tmp_path_factory):
    """One uninterrupted run: weights, history, what the sink got, and the work folder."""
    work = tmp_path_factory.mktemp("straight")
    return *run(toy_policy, toy, work, {"gradient_clipping": "auto", "zero_optimization": {"stage": 2}}), work


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def without_times(history: pd.DataFrame) -> pd.DataFrame:
    return history.drop(columns="sft/seconds")


def test_history_and_metrics_tell_every_step(straight):
    _, history, sink, work = straight
    assert history["step"].tolist() == list(range(1, 15))
    assert history["phase"].tolist() == ["hear"] * 6 + ["reason"] * 4 + ["joint"] * 4
    assert [step for step, _ in sink.rows] == list(range(1, 15))
    assert set(sink.rows[0][1]) == {"sft/loss", "sft/ctc", "sft/grad_norm", "sft/lr", "sft/seconds"}
    assert {"sft/loss_audio", "sft/loss_text", "sft/ctc"} <= set(sink.rows[-1][1])
    last = history.iloc[-1]
    assert last["sft/loss"] == pytest.approx(
        last["sft/loss_audio"] + last["sft/loss_text"] + 0.5 * last["sft/ctc"], rel=1e-5
    )
    assert [path.name for path in work.iterdir()] == ["export"]


def test_each_phase_trains_its_parts_alone(toy_policy, toy, zero2, tmp_path):
    start = load_file(toy_policy.path / "model.safetensors")
    trained, *_ = run(toy_policy, toy, tmp_path, zero2, PARAMS.model_copy(update={"phases": PHASES[:1]}))
    changed = {name for name in start if not torch.equal(start[name], trained[name])}
    assert any("audio_tower.conv1" in name for name in changed)
    assert any("embed_tokens" in name for name in changed)
    assert not any("language_model.layers" in name or "visual" in name for name in changed)


def test_loss_falls(toy_policy, toy, zero2, tmp_path):
    schedule = ScheduleParams(lr=1e-2, warmup_steps=3)
    phases = (
        PHASES[0].model_copy(update={"steps": 40, "schedule": schedule}),
        PHASES[1].model_copy(update={"steps": 40, "schedule": schedule}),
    )
    _, history, _ = run(toy_policy, toy, tmp_path, zero2, PARAMS.model_copy(update={"phases": phases}))
    assert history["sft/ctc"].iloc[39] < 0.5 * history["sft/ctc"].iloc[4]
    assert history["sft/loss_text"].iloc[-1] < 0.4 * history["sft/loss_text"].iloc[40]


@pytest.mark.parametrize("step", [3, 4, 6, 9, 14])
def test_interrupted_and_resumed_gives_the_same_bits(straight, toy_policy, toy, zero2, tmp_path, step):
    weights, history, *_ = straight
    with pytest.raises(KeyboardInterrupt):
        run(toy_policy, toy, tmp_path, zero2, sink=KillingSink(step))
    again, resumed, sink = run(toy_policy, toy, tmp_path, zero2)
    assert same(weights, again)
    pd.testing.assert_frame_equal(without_times(history), without_times(resumed))
    assert [row for row, _ in sink.rows] == list(range(1, 15))
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from soundmind_pipeline.metrics import NullSink
from soundmind_pipeline.training import checkpoints
from soundmind_pipeline.training.sft import train_sft
write = checkpoints.Checkpoints._write_manifest
def die_while_saving(self, folder, progress):
    if progress.step == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, folder, progress)
checkpoints.Checkpoints._write_manifest = die_while_saving
job = pickle.loads(Path(sys.argv[1]).read_bytes())
train_sft(metrics=NullSink(), **job)
"""


def test_killed_while_saving_and_resumed_gives_the_same_bits(straight, toy_policy, toy, zero2, tmp_path):
    weights, history, *_ = straight
    job = {
        "policy_init": toy_policy,
        "index": toy[0],
        "log_mels": toy[1],
        "work": tmp_path / "work",
        "params": PARAMS,
        "deepspeed": zero2,
    }
    pd.to_pickle(job, tmp_path / "job.pkl")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "job.pkl"], env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    assert sorted(path.name for path in (tmp_path / "work" / "checkpoints").iterdir()) == [
        ".step-00000008.tmp",
        "step-00000004",
        "step-00000006",
    ]
    again, resumed, _ = run(toy_policy, toy, tmp_path / "work", zero2)
    assert same(weights, again)
    pd.testing.assert_frame_equal(without_times(history), without_times(resumed))


def test_resume_false_trains_anew(straight, toy_policy, toy, zero2, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(toy_policy, toy, tmp_path, zero2, sink=KillingSink(13))
    with pytest.raises(KeyboardInterrupt):
        sink = KillingSink(2)
        run(toy_policy, toy, tmp_path, zero2, PARAMS.model_copy(update={"resume": False}), sink)
    assert [step for step, _ in sink.rows] == [1, 2]


@pytest.mark.parametrize("stage", [0, 3])
def test_zero_stages_agree(straight, toy_policy, toy, tmp_path, stage):
    config = {"gradient_clipping": "auto", "zero_optimization": {"stage": stage}}
    weights, history, _ = run(toy_policy, toy, tmp_path, config)
    assert history["sft/loss"].tolist() == pytest.approx(straight[1]["sft/loss"].tolist(), rel=1e-5)
    assert all(torch.allclose(weights[name], tensor, atol=1e-4) for name, tensor in straight[0].items())


def test_small_micro_batches_train_alike(straight, toy_policy, toy, zero2, tmp_path):
    _, history, _ = run(toy_policy, toy, tmp_path, zero2, PARAMS.model_copy(update={"micro_batch_tokens": 90}))
    assert history["sft/loss"].tolist() == pytest.approx(straight[1]["sft/loss"].tolist(), rel=1e-4)


def test_the_result_is_an_ordinary_hugging_face_folder(straight):
    from transformers import AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration

    folder: Path = straight[-1] / "export"
    model = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(folder)
    (name,) = [name for name in straight[0] if name.endswith("embed_tokens.weight")]
    assert torch.equal(model.lm_head.weight, straight[0][name])
    assert AutoTokenizer.from_pretrained(folder).eos_token == "<|im_end|>"


def test_missing_audio_is_named(toy_policy, toy, zero2, tmp_path):
    index, log_mels = toy
    fewer = {uid: log_mel for uid, log_mel in log_mels.items() if uid != "train/0003"}
    with pytest.raises(SoundmindError, match="train/0003 has no log-mel"):
        run(toy_policy, (index, fewer), tmp_path, zero2)


def test_no_train_rows_is_told(toy_policy, toy, zero2, tmp_path):
    index, log_mels = toy
    with pytest.raises(SoundmindError, match="no train rows"):
        run(toy_policy, (index[index["split"] == "dev"], log_mels), tmp_path, zero2)


def test_a_loss_that_is_no_number_ends_the_run(toy_policy, toy, zero2, tmp_path):
    index, log_mels = toy
    broken = {uid: log_mel * float("nan") for uid, log_mel in log_mels.items()}
    with pytest.raises(SoundmindError, match="no number"):
        run(toy_policy, (index, broken), tmp_path, zero2)


ADAPTERS = PARAMS.model_copy(update={"adaptation": "lora", "lora": LoraParams(rank=2)})


@pytest.mark.parametrize("step", [3, 9])
def test_adapters_resume_to_the_same_bits_and_end_merged(toy_policy, toy, zero2, tmp_path, step):
    straight, *_ = run(toy_policy, toy, tmp_path / "straight", zero2, ADAPTERS)
    with pytest.raises(KeyboardInterrupt):
        run(toy_policy, toy, tmp_path / "again", zero2, ADAPTERS, KillingSink(step))
    again, *_ = run(toy_policy, toy, tmp_path / "again", zero2, ADAPTERS)
    assert same(straight, again)
    before = load_file(toy_policy.path / "model.safetensors")
    assert straight.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], straight[name])}
    # The tower and the embeddings of the first phase stay trained; of the text part only the adapted matrices changed.
    assert any("audio_tower" in name for name in changed)
    assert any("embed_tokens" in name for name in changed)
    of_text = [name for name in changed if name.startswith("model.layers")]
    assert of_text, sorted(changed)
    assert all("_proj.weight" in name for name in of_text)


def test_adapters_under_zero_3_agree(toy_policy, toy, zero2, tmp_path):
    _, history, _ = run(toy_policy, toy, tmp_path / "two", zero2, ADAPTERS)
    zero3 = {"gradient_clipping": "auto", "zero_optimization": {"stage": 3}}
    _, other, _ = run(toy_policy, toy, tmp_path / "three", zero3, ADAPTERS)
    assert other["sft/loss"].tolist() == pytest.approx(history["sft/loss"].tolist(), rel=1e-5)

import json
import logging
import random

import numpy as np
import pytest
import torch

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.training.checkpoints import Checkpoints, Progress
from soundmind_pipeline.training.ranks import Ranks

ALONE = Ranks(0, 1, torch.device("cpu"))


class Engine:
    """Stands in for the policy engine: its state is one number in a file."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def save(self, folder):
        (folder / "state").mkdir()
        (folder / "state" / "engine.txt").write_text(str(self.value) * 50)

    def load(self, folder):
        text = (folder / "state" / "engine.txt").read_text()
        self.value = float(text[: len(text) // 50])


@pytest.fixture
def checkpoints(tmp_path):
    return make(tmp_path)


def make(tmp_path, **identity):
    return Checkpoints(tmp_path / "checkpoints", ALONE, {"seed": "0", **identity})


def save(checkpoints, *steps):
    for step in steps:
        checkpoints.save(Engine(float(step)), Progress(step, 1, [{"step": step, "sft/loss": 0.1 + step}], {"a": 1}))


def test_what_was_saved_comes_back(checkpoints, tmp_path):
    tensors = {"best": torch.arange(3.0)}
    checkpoints.save(Engine(7.5), Progress(12, 2, [{"step": 12, "x/y": 1 / 3}], {"best_step": 5}, tensors))
    expected = torch.rand(3), np.random.rand(3), [random.random() for _ in range(3)]
    again, engine = make(tmp_path), Engine()
    progress = again.find(resume=True)
    again.restore(engine)
    assert (progress.step, progress.phase, progress.history) == (12, 2, [{"step": 12, "x/y": 1 / 3}])
    assert progress.notes == {"best_step": 5}
    assert torch.equal(progress.tensors["best"], tensors["best"])
    assert engine.value == 7.5
    assert torch.equal(torch.rand(3), expected[0])
    assert np.array_equal(np.random.rand(3), expected[1])
    assert [random.random() for _ in range(3)] == expected[2]


def test_two_are_kept(checkpoints):
    save(checkpoints, 1, 2, 3, 4)
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["step-00000003", "step-00000004"]


def damage(path, how):
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "flipped":
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    else:
        path.unlink()


@pytest.mark.parametrize("name", ["state/engine.txt", "random-0.json", "checkpoint.json"])
@pytest.mark.parametrize("how", ["truncated", "flipped", "missing"])
def test_a_damaged_newest_falls_back_with_a_warning(checkpoints, tmp_path, caplog, name, how):
    save(checkpoints, 10, 20)
    damage(checkpoints.folder / "step-00000020" / name, how)
    engine, again = Engine(), make(tmp_path)
    with caplog.at_level(logging.WARNING):
        progress = again.find(resume=True)
    again.restore(engine)
    assert (progress.step, engine.value) == (10, 10.0)
    assert "step-00000020 is damaged" in caplog.text


def test_if_all_are_damaged_the_job_starts_anew(checkpoints, tmp_path):
    save(checkpoints, 10, 20)
    for folder in checkpoints.folder.iterdir():
        (folder / "random-0.json").unlink()
    assert make(tmp_path).find(resume=True) == Progress()
    assert not checkpoints.folder.exists()


def test_another_job_starts_anew_with_one_clear_line(checkpoints, tmp_path, caplog):
    save(checkpoints, 10, 20)
    with caplog.at_level(logging.INFO):
        progress = make(tmp_path, seed="1", **{"optimizer.eps": "2"}).find(resume=True)
    assert progress == Progress()
    assert [record.message for record in caplog.records] == [
        "Checkpoint step-00000020 belongs to another job (optimizer.eps, seed): training starts anew."
    ]
    assert not checkpoints.folder.exists()


def test_resume_false_starts_anew(checkpoints, tmp_path):
    save(checkpoints, 10)
    assert make(tmp_path).find(resume=False) == Progress()
    assert not checkpoints.folder.exists()


def test_a_save_that_was_killed_leaves_nothing_that_counts(checkpoints, tmp_path, monkeypatch):
    save(checkpoints, 10)
    monkeypatch.setattr(Checkpoints, "_write_manifest", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save(checkpoints, 20)
    monkeypatch.undo()
    again = make(tmp_path)
    assert again.find(resume=True).step == 10
    save(again, 20)
    assert make(tmp_path).find(resume=True).step == 20


def test_restoring_twice_touches_the_engine_once(checkpoints, tmp_path):
    save(checkpoints, 10)
    again, engine = make(tmp_path), Engine()
    again.find(resume=True)
    again.restore(engine)
    engine.value = 3.0
    again.restore(engine)  # the engine of the next phase
    assert engine.value == 3.0


def test_a_state_that_cannot_be_loaded_is_told(checkpoints, tmp_path):
    save(checkpoints, 10)
    again, engine = make(tmp_path), Engine()
    again.find(resume=True)
    engine.load = lambda folder: (_ for _ in ()).throw(RuntimeError("size mismatch"))
    with pytest.raises(SoundmindError, match="size mismatch") as caught:
        again.restore(engine)
    assert "resume: false" in caught.value.hint


def test_manifest_is_plain_json(checkpoints):
    save(checkpoints, 10)
    manifest = json.loads((checkpoints.folder / "step-00000010" / "checkpoint.json").read_text())
    assert set(manifest["files"]) == {"random-0.json", "state/engine.txt"}


def test_another_number_of_ranks_is_refused_not_thrown_away(tmp_path):
    save(make(tmp_path, **{"world size": "2"}), 5)
    with pytest.raises(SoundmindError, match="written by 2 ranks, this job has 1") as caught:
        make(tmp_path, **{"world size": "1"}).find(resume=True)
    assert "resume: false" in caught.value.hint
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000005"]
    assert make(tmp_path, **{"world size": "1"}).find(resume=False).step == 0

import pandas as pd
import pytest

from soundmind_pipeline.training.fingerprint import differences, fingerprint
from soundmind_pipeline.training.params import RlParams

INDEX = pd.DataFrame({"uid": ["train/1", "train/2"], "label": [0, 1]})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def make(folder, params=RlParams(), index=INDEX, world_size=1, deepspeed=None):  # noqa: B008
    return fingerprint(params, folder, index, world_size, deepspeed or {"zero_optimization": {"stage": 2}})


def test_the_same_job_has_the_same_fingerprint(folder):
    assert differences(make(folder), make(folder, RlParams(resume=False, checkpoint_every=3), INDEX.copy())) == []


def test_names_what_differs(folder):
    one = make(folder)
    assert differences(one, make(folder, RlParams(steps=99))) == ["steps"]
    other = RlParams().optimizer.model_copy(update={"eps": 1e-6})
    assert differences(one, make(folder, RlParams(optimizer=other))) == ["optimizer.eps"]
    assert differences(one, make(folder, deepspeed={"zero_optimization": {"stage": 0}})) == [
        "deepspeed.zero_optimization.stage"
    ]
    assert differences(one, make(folder, index=INDEX.assign(label=1))) == ["sample table"]
    assert differences(one, make(folder, world_size=2)) == ["world size"]


def test_upstream_weights_count(folder):
    one = make(folder)
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert differences(one, make(folder)) == ["upstream policy"]


def test_what_speaking_earns_counts_and_how_many_speak_does_not(folder):
    one = make(folder)
    assert differences(one, make(folder, RlParams.model_validate({"spoken": {"enabled": True}}))) == ["spoken.enabled"]
    others = {"cached_chunks": 5, "speech": {"workers": 7, "weights_folder": "x"}, "recogniser": {"workers": 7}}
    assert differences(one, make(folder, RlParams.model_validate({"spoken": others}))) == []
    slower = {"speech": {"words_per_minute": [100, 100]}}
    assert differences(one, make(folder, RlParams.model_validate({"spoken": slower}))) == [
        "spoken.speech.words_per_minute"
    ]

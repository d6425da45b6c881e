import numpy as np
import pandas as pd
import pytest
from kedro.runner import SequentialRunner

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.pipelines import sft
from soundmind_pipeline.pipelines.sft import nodes
from soundmind_pipeline.policy.folder import ModelFolder, load_policy, save_policy
from soundmind_pipeline.training.params import PhaseParams, ScheduleParams, SftParams

FILES = {"zero0": {"zero_optimization": {"stage": 0}}, "zero2": {"zero_optimization": {"stage": 2}}}
PHASE = PhaseParams(
    name="reason", steps=2, train=("text",), schedule=ScheduleParams(lr=1e-3), text_rows=2, audio_rows=1
)


@pytest.fixture
def params(tiny_params):
    return SftParams(model=tiny_params, phases=(PHASE,), threads=1, deepspeed="zero0", seed=3)


@pytest.fixture
def catalog(project_catalog, params, tiny_processor, tmp_path):
    folder = tmp_path / "made" / "processor"
    tiny_processor.save_pretrained(folder)
    catalog = project_catalog("features", "sft", params_sft=params, live_metrics=ListSink(), deepspeed_files=FILES)
    rows = [("train/0001", "tom is happy."), ("train/0002", "anna is rich.")]
    answer = "<think> it follows. </think> Answer: entailed."
    same = {"split": "train", "reference_answer": answer, "reference_verdict": "entailed", "label": 1, "mel_frames": 40}
    index = pd.DataFrame({"uid": uid, "user_content": text, **same} for uid, text in rows)
    catalog["processor"].save(ModelFolder(folder))
    catalog["feature_index"].save(index)
    rng = np.random.default_rng(0)
    catalog["log_mels"] = {uid: rng.standard_normal((40, 128)).astype(np.float32) for uid, _ in rows}
    return catalog


def test_the_stage_builds_and_trains_a_policy(catalog, params, tmp_path):
    SequentialRunner().run(sft.create_pipeline(), catalog)
    history = catalog.load("sft_history")
    assert history["step"].tolist() == [1, 2]
    before, after = (load_policy(catalog.load(name)).model.state_dict() for name in ("policy_init", "sft_policy"))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed and all("language_model" in name for name in changed)
    assert [step for step, _ in catalog.load("live_metrics").rows] == [1, 2]
    assert not list((tmp_path / "data" / "06_models" / "work" / "sft").iterdir())


def test_the_seed_decides_the_initial_weights(tiny_processor, params, tmp_path):
    tiny_processor.save_pretrained(tmp_path / "processor")
    processor = ModelFolder(tmp_path / "processor")

    def weights(seed, name):
        built = nodes.build_policy(processor, tmp_path / name, params.model_copy(update={"seed": seed}))
        return load_policy(built).model.state_dict()["model.language_model.norm.weight"], load_policy(
            built
        ).model.lm_head.weight

    assert weights(3, "a")[1].equal(weights(3, "b")[1])
    assert not weights(3, "a")[1].equal(weights(4, "c")[1])


def test_a_base_replaces_the_nano_policy(tiny_policy, params, tmp_path):
    base = save_policy(tiny_policy, tmp_path / "base")
    built = nodes.build_policy(
        ModelFolder(tmp_path / "unused"), tmp_path / "work", params.model_copy(update={"base": str(base.path)})
    )
    assert load_policy(built).model.lm_head.weight.equal(tiny_policy.model.lm_head.weight)


def test_an_unknown_deepspeed_file_is_named(catalog, params):
    catalog["params:sft"] = params.model_copy(update={"deepspeed": "zero9"})
    with pytest.raises(SoundmindError, match=r"zero9\.json"):
        SequentialRunner().run(sft.create_pipeline(), catalog)


def test_the_parameters_that_ship_are_understood(base_parameters):
    assert SftParams.model_validate(base_parameters("sft")).resume


def test_listing_the_pipeline_imports_nothing_heavy(modules_after):
    heavy = modules_after("import soundmind_pipeline.pipelines.sft as s; s.create_pipeline()")
    assert not heavy & {"torch", "deepspeed", "transformers", "peft"}

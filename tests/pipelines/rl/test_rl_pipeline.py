import json

import numpy as np
import pandas as pd
import pytest
from kedro.runner import SequentialRunner

from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.pipelines import rl
from soundmind_pipeline.policy.folder import load_policy, save_policy
from soundmind_pipeline.policy.params import LoraParams, SamplingParams
from soundmind_pipeline.training.params import DevParams, RlParams

FILES = {"zero2": {"gradient_clipping": "auto", "zero_optimization": {"stage": 2}}}
PARAMS = RlParams(
    threads=1,
    steps=1,
    prompts_per_step=2,
    sampling=SamplingParams(n=2, max_new_tokens=6),
    lora=LoraParams(rank=2),
    dev=DevParams(every=1, problems=1),
)


@pytest.fixture
def catalog(project_catalog, tiny_policy, tmp_path):
    catalog = project_catalog("features", "sft", "rl", params_rl=PARAMS, live_metrics=ListSink(), deepspeed_files=FILES)
    rows = [("train", "train/0001", 1), ("train", "train/0002", 0), ("dev", "dev/0001", 1)]
    answer = "<think> it follows. </think> Answer: entailed."
    index = pd.DataFrame(
        {"split": split, "uid": uid, "user_content": "tom is happy.", "reference_answer": answer, "label": label}
        for split, uid, label in rows
    )
    catalog["feature_index"].save(index)
    rng = np.random.default_rng(0)
    catalog["log_mels"] = {uid: rng.standard_normal((40, 128)).astype(np.float32) for _, uid, _ in rows}
    catalog["sft_policy"].save(save_policy(tiny_policy, tmp_path / "made"))
    return catalog


def test_the_stage_trains_an_adapter_that_finds_its_base(catalog, tmp_path):
    SequentialRunner().run(rl.create_pipeline(), catalog)
    folder = catalog.load("rl_policy")
    config = json.loads((folder.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "../sft"
    assert load_policy(folder).model.peft_config
    assert catalog.load("rl_history")["step"].tolist() == [1]
    assert "reward/total" in catalog.load("live_metrics").rows[0][1]
    assert not list((tmp_path / "data" / "06_models" / "work" / "rl").iterdir())


def test_the_parameters_that_ship_are_understood(base_parameters):
    assert RlParams.model_validate(base_parameters("rl")).resume


def test_listing_the_pipeline_imports_nothing_heavy(modules_after):
    heavy = modules_after("import soundmind_pipeline.pipelines.rl as s; s.create_pipeline()")
    assert not heavy & {"torch", "deepspeed", "transformers", "peft"}

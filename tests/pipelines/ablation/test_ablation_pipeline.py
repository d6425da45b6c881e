"""The ablation from end to end: two settings, two seeds, a policy that has learned nothing."""

from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
from kedro.runner import SequentialRunner

from soundmind_pipeline.evaluation.ablation.params import TABLE_7_WEIGHTS, AblationParams
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.pipeline_registry import register_pipelines
from soundmind_pipeline.pipelines.ablation import create_pipeline
from soundmind_pipeline.policy.folder import save_policy
from soundmind_pipeline.policy.params import LoraParams, SamplingParams
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.training.params import DevParams, RlParams

FILES = {"zero2": {"gradient_clipping": "auto", "zero_optimization": {"stage": 2}}}
RL = RlParams(
    threads=1,
    steps=3,
    prompts_per_step=2,
    sampling=SamplingParams(n=2, max_new_tokens=4),
    lora=LoraParams(rank=2),
    dev=DevParams(every=0),
)
ABLATION = AblationParams(
    settings=["full", "no_answer"], seeds=[0, 4], rl={"steps": 1, "spoken": {"enabled": False}}, problems=3
)


@pytest.fixture
def catalog(project_catalog, tiny_policy, tmp_path):
    sink = ListSink()
    evaluation = EvaluationParams(max_new_tokens=4, threads=1, bootstrap_samples=100)
    blocks = {"params_ablation": ABLATION, "params_rl": RL, "params_evaluation": evaluation}
    catalog = project_catalog("features", "sft", "ablation", live_metrics=sink, deepspeed_files=FILES, **blocks)
    index = generate_samples(VerifiedParams(counts=SplitCounts(train=6, dev=1, test=5)))
    catalog["feature_index"].save(index.assign(question_seconds=1.0, answer_seconds=None))
    catalog["log_mels"] = {uid: np.full((20, 128), -1.0, np.float32) for uid in index["uid"]}
    catalog["sft_policy"].save(save_policy(tiny_policy, tmp_path / "made"))
    return catalog


def test_one_command_makes_every_file(catalog, tmp_path):
    SequentialRunner().run(create_pipeline(), catalog)
    folder = tmp_path / "data" / "08_reporting" / "ablation"
    assert {file.name for file in folder.iterdir()} == {
        "ablation.csv", "ablation.html", "ablation.json", "ablation.svg", "histories.csv", "table_7.tex",
    }  # fmt: skip
    results = catalog.load("ablation_results")
    assert results["problems"] == 3
    assert {name: list(arm["seeds"]) for name, arm in results["arms"].items()} == {
        "full": ["0", "4"], "no_answer": ["0", "4"],
    }  # fmt: skip
    assert catalog.load("ablation_histories")["step"].tolist() == [1] * 4
    predictions = catalog.load("ablation_predictions")
    heard = predictions.query("arm == 'no_answer' and seed == 4 and setting == 'audio_to_text'")
    cell = results["arms"]["no_answer"]["seeds"]["4"]["audio_to_text"]
    assert (cell["accuracy"], cell["n"]) == (heard["right"].mean(), 3)
    assert len(pd.read_csv(folder / "ablation.csv")) == 2 * 3 * 2
    latex = (folder / "table_7.tex").read_text()
    assert "60.24" in latex and latex.startswith(r"\begin{table}")
    sink = catalog.load("live_metrics")
    assert list(sink.children) == ["full seed 0", "no_answer seed 0", "full seed 4", "no_answer seed 4"]
    assert "ablation/no_answer/against_full" in sink.rows[-1][1]


def test_it_runs_only_when_it_is_named():
    pipelines = register_pipelines()
    assert pipelines["ablation"].only_nodes_with_tags("ablation").nodes == pipelines["ablation"].nodes
    for name in ("__default__", "rl", "evaluation"):
        assert not pipelines[name].only_nodes_with_tags("ablation").nodes


def test_the_parameters_that_ship_are_table_7(base_parameters):
    block = AblationParams.model_validate(base_parameters("ablation"))
    assert block == AblationParams()
    assert block.weights == TABLE_7_WEIGHTS and block.seeds == (0, 1, 2)


def test_kedro_can_read_the_nodes_hints():
    for node in create_pipeline().nodes:
        assert get_type_hints(node.func)["ablation"] is AblationParams


def test_listing_the_pipeline_imports_nothing_heavy(modules_after):
    heavy = modules_after("import soundmind_pipeline.pipelines.ablation as s; s.create_pipeline()")
    assert not heavy & {"torch", "deepspeed", "transformers", "peft", "scipy", "matplotlib"}

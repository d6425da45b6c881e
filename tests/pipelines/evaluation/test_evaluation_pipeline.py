"""The evaluation stage from end to end, with two policies that have learned nothing."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.pipelines.evaluation import create_pipeline
from soundmind_pipeline.policy.folder import Policy, save_policy
from soundmind_pipeline.policy.nano import build_thinker
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.schema import CONSTRUCTED_COLUMNS
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.training.params import RlParams, SftParams

CONF = Path(__file__).resolve().parents[3] / "conf"
CATALOG = CONF / "base" / "catalog_evaluation.yml"
EVALUATION = EvaluationParams(max_problems=6, max_new_tokens=4, bootstrap_samples=200, report_examples=2, threads=1)


@pytest.fixture(scope="module")
def index():
    frame = generate_samples(VerifiedParams(counts=SplitCounts(train=40, dev=2, test=8)))
    return frame.assign(question_seconds=1.0)


@pytest.fixture(scope="module")
def folders(tiny_processor, tiny_params, tmp_path_factory):
    root = tmp_path_factory.mktemp("policies")
    return [
        save_policy(Policy(build_thinker(tiny_params, tiny_processor, seed=seed), tiny_processor), root / str(seed))
        for seed in (0, 1)
    ]


def run_stage(index, folders, data, evaluation=EVALUATION):
    """Everything that a run of the stage leaves, and the metrics that it logged on the way."""
    sink = ListSink()
    history = pd.DataFrame({"step": [1, 2], "sft/loss": [2.0, 1.0], "reward/total": [1.0, 1.5]})
    inputs = {
        "sft_policy": folders[0],
        "rl_policy": folders[1],
        "feature_index": index,
        "log_mels": {uid: np.full((20, 128), -1.0, np.float32) for uid in index["uid"]},
        "question_speech": {uid: np.zeros(160, np.float32) for uid in index["uid"]},
        "live_metrics": sink,
        "sft_history": history,
        "rl_history": history,
        "params:sft": SftParams(),
        "params:rl": RlParams(steps=7),
        "params:evaluation": evaluation,
    }
    kept = yaml.safe_load(CATALOG.read_text().replace("${globals:data}", str(data)))
    catalog = DataCatalog.from_config(kept)
    for name, value in inputs.items():
        catalog[name] = MemoryDataset(value, copy_mode="assign")
    SequentialRunner().run(create_pipeline(), catalog)
    return {name: catalog[name].load() for name in kept}, sink


@pytest.fixture(scope="module")
def outcome(index, folders, tmp_path_factory):
    return run_stage(index, folders, tmp_path_factory.mktemp("data"))


def test_every_policy_answers_every_condition(outcome):
    predictions = outcome[0]["predictions"]
    counts = predictions.groupby(["policy", "setting", "control"]).size().to_dict()
    assert counts == {
        ("sft", "audio_to_text", "none"): 6,
        ("sft", "text_to_text", "none"): 6,
        ("rl", "audio_to_text", "none"): 6,
        ("rl", "text_to_text", "none"): 6,
        ("rl", "audio_to_text", "silence"): 6,
        ("rl", "audio_to_text", "shuffled"): 6,
    }
    assert predictions["uid"].str.startswith("test/").all()


def test_logged_metrics_are_the_results(outcome):
    made, sink = outcome
    logged = {name: (step, value) for step, metrics in sink.rows for name, value in metrics.items()}
    policies = made["evaluation_results"]["policies"]
    for setting in ("audio_to_text", "text_to_text"):
        for name in ("accuracy", "reward", "format_valid"):
            assert logged[f"eval/sft/{setting}/{name}"] == (0, policies["sft"][setting][name])
            assert logged[f"eval/rl/{setting}/{name}"] == (7, policies["rl"][setting][name])
            assert logged[f"eval/{setting}/{name}"] == (7, policies["rl"][setting][name])
    controls = made["evaluation_results"]["controls"]
    assert logged["eval/rl/audio_to_text/silence/accuracy"] == (7, controls["silence"]["accuracy"])


def test_files_for_dvc_and_people(outcome):
    made, _ = outcome
    results = made["evaluation_results"]
    flat = made["evaluation_metrics"]
    assert flat["sft"]["text_to_text"]["reward"] == results["policies"]["sft"]["text_to_text"]["reward"]
    assert made["form_accuracies"].startswith("policy,setting,form,accuracy,low,high,n,heard\n")
    assert set(results["shortcuts"]) >= {"prior", "connective_and_signs"}
    assert made["report"].count("<audio") == 2
    assert "<th>algorithm.name</th>" in made["report"]
    for figure in ("curves_figure", "accuracy_figure", "forms_figure"):
        assert made[figure].startswith("<?xml")


def test_problems_without_a_logical_form_are_evaluated_too(index, folders, tmp_path):
    published = index.assign(**dict.fromkeys([*CONSTRUCTED_COLUMNS, "major_premise"], None))
    made, _ = run_stage(published, folders, tmp_path)
    figures = made["evaluation_results"]["policies"]["rl"]["audio_to_text"]
    assert figures["n"] == 6
    assert (figures["heard"], figures["reasoning_valid_when_right"], figures["by_form"]) == (None, None, {})
    assert made["predictions"][["form", "restated", "reasoning_valid"]].isna().all(axis=None)
    assert made["form_accuracies"] == "policy,setting,form,accuracy,low,high,n,heard\n"
    assert set(made["evaluation_results"]["shortcuts"]) == {
        "prior", "claim_bigrams", "minor_bigrams", "premises_bigrams", "question_bigrams",
    }  # fmt: skip
    assert made["report"].count("<audio") == 2
    assert "By form" not in made["report"]


def test_problems_are_left_out_as_asked_and_the_log_says_so(index, folders, tmp_path, caplog):
    caplog.set_level("INFO")
    test = index["split"] == "test"
    conflicts = int(index.loc[test, "label_conflict"].sum())
    assert 0 < conflicts < 6
    asked = EVALUATION.model_copy(update={"max_problems": None, "exclude_label_conflicts": True, "controls": ()})
    made, _ = run_stage(index, folders, tmp_path, asked)
    assert set(made["predictions"]["uid"]) == set(index.loc[test & ~index["label_conflict"], "uid"])
    assert f"rl, test: {conflicts} problems left out: label contradicted by the reference" in caplog.text
    assert made["evaluation_results"]["teacher"]["sampled_teacher"] == 1.0


def test_kedro_can_read_the_nodes_hints():
    for node in create_pipeline().nodes:
        hints = get_type_hints(node.func)
        assert node.tags == {"evaluation"}
        if "params:evaluation" in node.inputs:
            assert hints["evaluation"] is EvaluationParams


def test_the_catalog_keeps_what_people_look_at():
    assert set(yaml.safe_load(CATALOG.read_text())) == create_pipeline().all_outputs() - {
        "sft_predictions",
        "rl_predictions",
    }


@pytest.mark.parametrize("environment", ["base", "smoke"])
def test_parameter_files_fit_the_model(environment):
    path = CONF / environment / "parameters_evaluation.yml"
    assert path.read_text().startswith("# kedro run")
    values = yaml.safe_load(path.read_text())["evaluation"]
    params = EvaluationParams(**values)
    if environment == "base":
        assert set(values) == set(EvaluationParams.model_fields)
        assert params == EvaluationParams(threads=params.threads)


def test_wiring_imports_nothing_heavy():
    heavy = ["torch", "transformers", "librosa", "matplotlib", "deepspeed", "mlflow", "sklearn"]
    code = (
        "import sys; from soundmind_pipeline.pipelines.evaluation import create_pipeline; create_pipeline();"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == []

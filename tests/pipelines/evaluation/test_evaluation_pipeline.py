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

from soundmind_pipeline.evaluation.params import CONTROLS, EvaluationParams, SampledParams
from soundmind_pipeline.evaluation.rescoring import rescore
from soundmind_pipeline.evaluation.spoken.params import AnswerSpeechParams, SpokenParams
from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.pipelines.evaluation import create_pipeline
from soundmind_pipeline.policy.folder import ModelFolder, Policy, save_policy
from soundmind_pipeline.policy.nano import build_thinker
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.schema import CONSTRUCTED_COLUMNS
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.rewards.params import RewardParams
from soundmind_pipeline.training.params import RlParams, SftParams

CONF = Path(__file__).resolve().parents[3] / "conf"
CATALOG = CONF / "base" / "catalog_evaluation.yml"
EVALUATION = EvaluationParams(
    max_problems=6,
    max_new_tokens=4,
    bootstrap_samples=200,
    report_examples=2,
    threads=1,
    sampling=SampledParams(problems=3, n=3),
    spoken=SpokenParams(problems=2, speech=AnswerSpeechParams(engine="espeak", workers=1)),
)
QUICK = {"controls": (), "sampling": SampledParams(problems=0), "spoken": SpokenParams(problems=0)}
WRITTEN = ("audio_to_text", "text_to_text", "audio_text_to_text")
IN_MEMORY = {
    "other_voice_speech",
    "sft_predictions",
    "rl_predictions",
    "sft_sampled_predictions",
    "rl_sampled_predictions",
    "spoken_predictions",
    "baseline_predictions",
}


@pytest.fixture(scope="module")
def index():
    frame = generate_samples(VerifiedParams(counts=SplitCounts(train=40, dev=2, test=8)))
    return frame.assign(question_seconds=0.2, answer_seconds=None, question_tokens=20, answer_tokens=50)


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
        "question_speech": {
            uid: np.random.default_rng(place).normal(0, 0.1, 3200).astype(np.float32)
            for place, uid in enumerate(index["uid"])
        },
        "processor": ModelFolder(folders[0].path),
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
        **{(policy, setting, "none"): 6 for policy in ("sft", "rl") for setting in WRITTEN},
        **{(policy, setting, "none"): 2 for policy in ("sft", "rl") for setting in ("text_to_audio", "audio_to_audio")},
        **{("rl", "audio_to_text", control): 6 for control in CONTROLS},
        **{(name, "audio_to_text", "none"): 6 for name in baselines(predictions)},
    }
    assert len(baselines(predictions)) == 3
    assert predictions["uid"].str.startswith("test/").all()


def baselines(predictions):
    return [name for name in predictions["policy"].unique() if name not in ("sft", "rl")]


def test_several_answers_are_kept_and_scored(outcome):
    made, sink = outcome
    sampled = made["sampled_predictions"]
    counts = sampled.groupby(["policy", "setting", "control"]).size().to_dict()
    assert counts == {(policy, setting, "none"): 9 for policy in ("sft", "rl") for setting in WRITTEN[:2]}
    cell = made["evaluation_results"]["sampled"]["rl"]["text_to_text"]
    assert (cell["n"], cell["problems"], set(cell["pass_at"])) == (3, 3, {"1", "2"})
    logged = {name: (step, value) for step, metrics in sink.rows for name, value in metrics.items()}
    assert logged["eval/text_to_text/pass_at_2"] == (7, cell["pass_at"]["2"]["value"])
    assert logged["eval/sft/text_to_text/majority_at_3"][0] == 0


def test_a_killed_stage_goes_on_with_the_answers_that_it_has(outcome, index, folders, tmp_path, monkeypatch):
    from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine

    class Killed(Exception):
        pass

    generate, left = SharedPrefixEngine.generate, [7]

    def until_killed(self, *args, **kwargs):
        if not left[0]:
            raise Killed
        left[0] -= 1
        return generate(self, *args, **kwargs)

    monkeypatch.setattr(SharedPrefixEngine, "generate", until_killed)
    asked = EVALUATION.model_copy(update={"controls": (), "spoken": SpokenParams(problems=0)})
    with pytest.raises(Killed):
        run_stage(index, folders, tmp_path, asked)
    left[0] = 4  # of three settings and two sampled ones of each policy, and the cascade
    made, _ = run_stage(index, folders, tmp_path, asked)
    assert left == [0]
    whole = outcome[0]["predictions"]
    same = whole[whole["setting"].isin(WRITTEN) & (whole["control"] == "none")].reset_index(drop=True)
    same = same.dropna(axis="columns", how="all")  # those of spoken answers
    pd.testing.assert_frame_equal(made["predictions"][same.columns], same)
    pd.testing.assert_frame_equal(made["sampled_predictions"], outcome[0]["sampled_predictions"])
    kept = tmp_path / "07_model_output" / "work" / "answers"
    assert {folder.name: len(list(folder.iterdir())) for folder in kept.iterdir()} == {
        "sft": 5,
        "rl": 5,
        "baselines": 1,
    }


def test_saved_answers_scored_again_are_the_same(outcome, index, folders):
    from soundmind_pipeline.evaluation.predict import scorer_with
    from soundmind_pipeline.policy.processor import load_processor

    scorer = scorer_with(load_processor(folders[1].path), RewardParams())
    for table in ("predictions", "sampled_predictions"):
        pd.testing.assert_frame_equal(rescore(outcome[0][table], index, scorer), outcome[0][table])


def test_logged_metrics_are_the_results(outcome):
    made, sink = outcome
    logged = {name: (step, value) for step, metrics in sink.rows for name, value in metrics.items()}
    policies = made["evaluation_results"]["policies"]
    for setting in (*WRITTEN, "audio_to_audio", "text_to_audio"):
        for name in ("accuracy", "reward", "format_valid"):
            assert logged[f"eval/sft/{setting}/{name}"] == (0, policies["sft"][setting][name])
            assert logged[f"eval/rl/{setting}/{name}"] == (7, policies["rl"][setting][name])
            assert logged[f"eval/{setting}/{name}"] == (7, policies["rl"][setting][name])
    controls = made["evaluation_results"]["controls"]
    for control in CONTROLS:
        assert logged[f"eval/rl/audio_to_text/{control}/accuracy"] == (7, controls[control]["accuracy"])
    assert logged["eval/audio_grounding_gap"] == (7, made["evaluation_results"]["audio_grounding_gap"])
    heard = policies["rl"]["audio_to_audio"]["spoken"]["accuracy_heard"]["accuracy"]
    assert logged["eval/audio_to_audio/accuracy_heard"] == (7, heard)
    assert made["evaluation_metrics"]["rl"]["audio_to_audio"]["accuracy_heard"] == heard


def test_files_for_dvc_and_people(outcome):
    made, _ = outcome
    results = made["evaluation_results"]
    flat = made["evaluation_metrics"]
    assert flat["sft"]["text_to_text"]["reward"] == results["policies"]["sft"]["text_to_text"]["reward"]
    assert made["form_accuracies"].startswith("policy,setting,form,accuracy,low,high,n,heard\n")
    assert set(results["shortcuts"]) >= {"prior", "connective_and_signs"}
    assert made["report"].count("<audio") == 2
    assert "<th>algorithm.name</th>" in made["report"]
    assert "<dt>run</dt><dd>not recorded</dd>" in made["report"]  # no hook keeps records here


def test_a_run_is_compared_with_another(index, folders, outcome, tmp_path):
    other = tmp_path / "other.parquet"
    outcome[0]["predictions"].to_parquet(other)
    asked = EVALUATION.model_copy(update={**QUICK, "compare_with": str(other)})
    made, _ = run_stage(index, folders, tmp_path / "data", asked)
    compared = made["evaluation_results"]["compared"][str(other)]
    assert {policy: set(settings) for policy, settings in compared.items()} == {"sft": set(WRITTEN), "rl": set(WRITTEN)}
    assert compared["rl"]["text_to_text"] == {
        "difference": 0.0, "ci95": [0.0, 0.0], "p": 1.0, "n": 6, "gained": 0, "lost": 0
    }  # fmt: skip
    assert made["evaluation_results"]["sampled"] == {}
    assert made["sampled_predictions"].empty
    assert made["predictions"]["transcript"].isna().all()


def test_problems_without_a_logical_form_are_evaluated_too(index, folders, tmp_path):
    published = index.assign(**dict.fromkeys([*CONSTRUCTED_COLUMNS, "major_premise"], None))
    made, _ = run_stage(published, folders, tmp_path, EVALUATION.model_copy(update=QUICK))
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
    asked = EVALUATION.model_copy(update={**QUICK, "max_problems": None, "exclude_label_conflicts": True})
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
    kept = create_pipeline().all_outputs() - IN_MEMORY
    given = {"evaluation_work", "spoken_clips", "ablation_summary", "answers_origin"}
    assert set(yaml.safe_load(CATALOG.read_text())) == kept | given


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

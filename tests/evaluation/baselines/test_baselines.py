"""Who else answers: each baseline on the same problems, marked by the same scorer."""

import base64
import io
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.answer_store import AnswerStore
from soundmind_pipeline.evaluation.baselines import cascade, transformers
from soundmind_pipeline.evaluation.baselines.params import (
    BaselinesParams,
    CascadeParams,
    EndpointBaseline,
    TransformersBaseline,
)
from soundmind_pipeline.evaluation.baselines.run import baseline_predictions
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.evaluation.predict import load_examiner
from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine
from soundmind_pipeline.problems.shortcuts import shortcut_accuracies
from soundmind_pipeline.rewards.params import RewardParams

ALONE = {"majority": False, "shortcuts": False, "cascade": None}
WORDS = ("rich", "brave", "proud", "awake")
GOOD = "<think> it is so. </think>\nAnswer: entailed."


def test_majority_and_best_shortcut_have_the_accuracies_that_the_report_gives(samples, examiner, speech, tmp_path):
    train = samples.iloc[20:]
    table = baseline_predictions(train, samples, speech, lambda: examiner, tmp_path, BaselinesParams(cascade=None))
    accuracies = {name: float(rows["right"].astype(bool).mean()) for name, rows in table.groupby("policy")}
    shortcuts = {
        name: value
        for name, value in shortcut_accuracies(train, samples).items()
        if name not in ("natural_claim", "sampled_teacher")
    }
    best = max(shortcuts, key=shortcuts.__getitem__)
    majority = int(train["label"].mean() > 0.5)
    assert accuracies == pytest.approx(
        {"majority": (samples["label"] == majority).mean(), f"shortcut: {best.replace('_', ' ')}": shortcuts[best]}
    )
    assert table["setting"].eq("audio_to_text").all()
    assert table["uid"].tolist() == samples["uid"].tolist() * 2


def test_labels_alone_need_no_weights(samples, speech, tmp_path):
    def examiner():
        raise AssertionError("loaded for nothing")

    table = baseline_predictions(samples, samples, speech, examiner, tmp_path, BaselinesParams(cascade=None))
    assert len(table) == 2 * len(samples)


def test_without_baselines_there_are_no_rows(samples, examiner, speech, tmp_path):
    assert baseline_predictions(samples, samples, speech, lambda: examiner, tmp_path, BaselinesParams(**ALONE)).empty


def test_the_cascade_reads_what_the_recogniser_heard(few, examiner, speech, tmp_path, monkeypatch):
    clips = []

    class Recogniser:
        def transcribe_many(self, waves):
            clips.extend(len(wave) for wave in waves)
            return [f"Tom's {word}, HAPPY" for word in WORDS]

    monkeypatch.setattr("soundmind_pipeline.speech.recognisers.opening.open_recogniser", lambda params: Recogniser())
    read = []
    encode = examiner.encoder.encode
    monkeypatch.setattr(
        examiner.encoder,
        "encode",
        lambda text, mel, modality: read.append((text, modality)) or encode(text, mel, modality),
    )
    params = BaselinesParams(**ALONE | {"cascade": CascadeParams(problems=4)})
    table = baseline_predictions(few, few, speech, lambda: examiner, tmp_path, params)
    assert clips == [len(speech[uid]) for uid in few["uid"].head(4)]
    assert read == [(f"tom is {word} happy.", "text") for word in WORDS]
    assert table["policy"].unique().tolist() == ["cascade: tiny.en + rl"]
    assert table["setting"].unique().tolist() == ["audio_to_text"]
    assert table["heard_uid"].tolist() == table["uid"].tolist() == few["uid"].head(4).tolist()


def test_the_transcript_can_be_left_as_it_is(few, examiner, speech, monkeypatch):
    class Recogniser:
        def transcribe_many(self, waves):
            return ["Tom, HAPPY." for _ in waves]

    monkeypatch.setattr("soundmind_pipeline.speech.recognisers.opening.open_recogniser", lambda params: Recogniser())
    read = []
    encode = examiner.encoder.encode
    monkeypatch.setattr(
        examiner.encoder, "encode", lambda text, mel, modality: read.append(text) or encode(text, mel, modality)
    )
    cascade.cascade_rows(examiner, few, speech, CascadeParams(problems=1, normalise=False))
    assert read == ["Tom, HAPPY."]


def endpoint_params(endpoint_settings, **changes):
    model = {"kind": "endpoint", "name": "big", "endpoint": endpoint_settings().model_dump()} | changes
    return BaselinesParams(**ALONE, models=(model,))


def test_an_endpoint_hears_the_question_and_is_paid_once(
    few, examiner, speech, tmp_path, endpoint, settings, completion
):
    endpoint.respond = lambda body: completion(GOOD)
    params = endpoint_params(settings, settings=("audio_to_text", "text_to_text"))
    table = baseline_predictions(few, few, speech, lambda: examiner, tmp_path, params)
    assert table.groupby("setting").size().to_dict() == {"audio_to_text": 6, "text_to_text": 6}
    assert table["right"].tolist() == (few["label"] == 1).tolist() * 2
    heard, read = {}, set()
    for body in endpoint.requests:
        content = body["messages"][1]["content"]
        if isinstance(content, str):
            read.add(content)
        else:
            wave, rate = soundfile.read(
                io.BytesIO(base64.b64decode(content[0]["input_audio"]["data"])), dtype="float32"
            )
            assert (content[0]["type"], content[0]["input_audio"]["format"], rate) == ("input_audio", "wav", 16_000)
            heard[len(wave)] = wave
        assert "Answer: not entailed." in body["messages"][0]["content"]
    assert read == set(few["user_content"])
    for uid in few["uid"]:
        np.testing.assert_allclose(heard[len(speech[uid])], speech[uid], atol=1e-4)
    again = baseline_predictions(few, few, speech, lambda: examiner, tmp_path, params)
    assert len(endpoint.requests) == 12
    pd.testing.assert_frame_equal(again, table)


def test_reasoning_told_apart_belongs_to_the_response(few, examiner, speech, tmp_path, endpoint, settings, completion):
    endpoint.respond = lambda body: completion("Answer: not entailed.", reasoning="I think so.")
    table = baseline_predictions(few, few, speech, lambda: examiner, tmp_path, endpoint_params(settings))
    assert set(table["response"]) == {"<think>I think so.</think>\nAnswer: not entailed."}
    assert table["format_valid"].all()


def test_a_request_that_fails_is_a_wrong_answer_with_its_reason(
    few, examiner, speech, tmp_path, endpoint, settings, completion
):
    endpoint.respond = lambda body: (400, {"error": {"message": "too long"}}, {})
    table = baseline_predictions(few, few, speech, lambda: examiner, tmp_path, endpoint_params(settings))
    assert not table["right"].any()
    assert table["response"].str.contains("too long").all()
    assert not table["finished"].any()


def test_a_budget_ends_the_run_and_audio_counts(few, examiner, speech, tmp_path, endpoint, settings):
    params = endpoint_params(settings, endpoint=settings(token_budget=150).model_dump())
    with pytest.raises(SoundmindError, match="budget"):
        baseline_predictions(few, few, speech, lambda: examiner, tmp_path, params)
    assert not endpoint.requests


def test_a_policy_by_folder_answers_as_the_examiner_does(few, examiner, speech, tmp_path, policy_folder):
    model = {"kind": "transformers", "name": "other", "model": str(policy_folder.path), "max_new_tokens": 5}
    params = BaselinesParams(
        **ALONE, models=(model | {"prompt": "does it follow?", "settings": ("text_to_text", "audio_to_text")},)
    )
    table = baseline_predictions(few, few, speech, lambda: examiner, tmp_path, params)
    assert table["policy"].unique().tolist() == ["other"]
    assert table["tokens"].le(5).all()
    from soundmind_pipeline.evaluation.conditions import Condition

    examiner.params = examiner.params.model_copy(update={"max_new_tokens": 5})
    own = examiner.predict(few, {}, Condition("text_to_text"))
    assert table[table["setting"] == "text_to_text"]["response"].tolist() == own["response"].tolist()


def test_a_policy_by_folder_answers_once(few, speech, tmp_path, policy_folder, monkeypatch):
    store = AnswerStore(tmp_path / "answers")
    asked = EvaluationParams(max_new_tokens=6, batch_rows=4)
    final = load_examiner("rl", policy_folder, "", RewardParams(), asked, store)
    model = {"kind": "transformers", "name": "other", "model": str(policy_folder.path), "max_new_tokens": 5}
    params = BaselinesParams(**ALONE, models=(model,))
    table = baseline_predictions(few, few, speech, lambda: final, tmp_path, params)
    monkeypatch.setattr(SharedPrefixEngine, "generate", None)
    again = baseline_predictions(few, few, speech, lambda: final, tmp_path, params)
    pd.testing.assert_frame_equal(again, table)
    store.forget_others()
    assert len(list(store.folder.iterdir())) == 2


@pytest.fixture(scope="module")
def qwen2_audio(tmp_path_factory, tiny_processor):
    """A Qwen2-Audio of some ten thousand random weights, on disk."""
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
        WhisperFeatureExtractor,
    )

    tokenizer = tiny_processor.tokenizer
    processor = Qwen2AudioProcessor(WhisperFeatureExtractor(feature_size=16), tokenizer)
    audio = {
        "d_model": 16,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 16,
        "num_mel_bins": 16,
    }
    text = {
        "model_type": "qwen2", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": len(tokenizer),
    }  # fmt: skip
    config = Qwen2AudioConfig(audio_config=audio, text_config=text, audio_token_index=processor.audio_token_id)
    folder = tmp_path_factory.mktemp("qwen2_audio")
    torch.manual_seed(1)  # some random weights give heard and read questions the same answer
    Qwen2AudioForConditionalGeneration(config).eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_another_audio_language_model_of_transformers_answers(
    few, examiner, speech, tmp_path, qwen2_audio, monkeypatch
):
    few = few.head(2)
    model = {"kind": "transformers", "name": "qwen2-audio", "model": str(qwen2_audio), "max_new_tokens": 4}
    params = BaselinesParams(**ALONE, models=(model | {"settings": ("audio_to_text", "text_to_text")},))
    table = baseline_predictions(few, few, speech, lambda: examiner, tmp_path, params)
    assert table["setting"].tolist() == ["audio_to_text"] * 2 + ["text_to_text"] * 2
    assert table["tokens"].between(1, 4).all()
    # A second run takes the answers from disk.
    monkeypatch.setattr("soundmind_pipeline.evaluation.baselines.transformers._Model", None)
    again = baseline_predictions(few, few, speech, lambda: examiner, tmp_path, params)
    assert again["response"].tolist() == table["response"].tolist()
    # Other weights in the same folder are another model, which is asked again.
    monkeypatch.undo()
    weights = qwen2_audio / "model.safetensors"
    tensors = {name: tensor * 2 for name, tensor in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})
    other = baseline_predictions(few, few, speech, lambda: examiner, tmp_path, params)
    assert other["response"].tolist() != table["response"].tolist()


@pytest.mark.parametrize(
    ("there", "asked", "device"),
    [(True, None, "cuda"), (False, None, "cpu"), (True, "cpu", "cpu"), (True, "cuda:1", "cuda:1")],
)
def test_a_model_runs_where_it_is_told_or_on_the_gpu_that_is_there(monkeypatch, tmp_path, there, asked, device):
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    model = TransformersBaseline(kind="transformers", name="a", model=str(tmp_path), device=asked)
    assert transformers._device(model) == device
    assert transformers._who(model)["device"] == device


def test_a_model_that_is_not_there_is_one_message(few, examiner, speech, tmp_path):
    model = {"kind": "transformers", "name": "none", "model": str(tmp_path / "nothing")}
    with pytest.raises(SoundmindError, match=r"none: .*nothing cannot be loaded"):
        baseline_predictions(
            few, few, speech, lambda: examiner, tmp_path / "work", BaselinesParams(**ALONE, models=(model,))
        )


def test_a_model_that_lacks_weights_is_no_baseline(few, examiner, speech, tmp_path, qwen2_audio):
    folder = shutil.copytree(qwen2_audio, tmp_path / "holed")
    tensors = load_file(folder / "model.safetensors")
    del tensors[next(name for name in tensors if "down_proj" in name)]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model = {"kind": "transformers", "name": "holed", "model": str(folder), "max_new_tokens": 4}
    with pytest.raises(SoundmindError, match=r"lack 1 tensors .*down_proj"):
        baseline_predictions(
            few, few, speech, lambda: examiner, tmp_path / "work", BaselinesParams(**ALONE, models=(model,))
        )


def test_code_that_comes_with_a_model_is_not_run(few, examiner, speech, tmp_path, qwen2_audio):
    folder = shutil.copytree(qwen2_audio, tmp_path / "coded")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "mine",
        "auto_map": {"AutoConfig": "mine.Config", "AutoModelForMultimodalLM": "mine.Model"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text("raise AssertionError('the code was run')")
    model = {"kind": "transformers", "name": "coded", "model": str(folder), "max_new_tokens": 4}
    with pytest.raises(SoundmindError, match="contains custom code"):
        baseline_predictions(
            few, few, speech, lambda: examiner, tmp_path / "work", BaselinesParams(**ALONE, models=(model,))
        )


def test_an_endpoint_that_is_named_in_part_is_asked_greedily_too():
    asked = EndpointBaseline(kind="endpoint", name="a", endpoint={"base_url": "http://localhost:1/v1", "model": "m"})
    assert (asked.endpoint.model, asked.endpoint.temperature, asked.endpoint.top_p) == ("m", 0.0, None)


@pytest.mark.parametrize("name", ["a", "rl", "cascade: tiny.en + rl"])
def test_names_are_taken_once(name):
    model = {"kind": "transformers", "name": name, "model": "x"}
    with pytest.raises(ValueError, match=f"'{re.escape(name)}' is taken"):
        BaselinesParams(models=(model, model))

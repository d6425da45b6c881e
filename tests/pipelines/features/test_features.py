import json
import logging
import shutil
import tempfile
import typing

import numpy as np
import pandas as pd
import pytest
import soundfile
from kedro.runner import SequentialRunner

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.pipelines import features
from soundmind_pipeline.pipelines.features import nodes
from soundmind_pipeline.pipelines.features.params import FeaturesParams
from soundmind_pipeline.policy.params import TokenizerParams
from soundmind_pipeline.policy.processor import load_processor
from soundmind_pipeline.speech.audio import load_audio, write_wav
from soundmind_pipeline.speech.log_mel import audio_token_count, log_mel

TINY = FeaturesParams(tokenizer=TokenizerParams(vocab_size=330, min_frequency=1))


@pytest.fixture
def manifest() -> pd.DataFrame:
    texts = {"train/0001": "tom is happy", "train/0002": "anna is rich", "test/0001": "peter is brave"}
    rows = [
        {
            "split": uid.split("/")[0],
            "uid": uid,
            "user_content": text,
            "reference_answer": f"<think> {text}. </think> Answer: entailed.",
            "question_sha256": f"{number:064d}",
            "question_seconds": 1.0 + number,
        }
        for number, (uid, text) in enumerate(texts.items())
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def catalog(project_catalog, manifest, tmp_path):
    """Clips of 1, 2 and 3 s: a tone with 0.5 s of silence in front."""
    for uid, seconds in zip(manifest["uid"], manifest["question_seconds"], strict=True):
        wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(16_000 * seconds)) / 16_000)
        wave[:8000] = 0
        write_wav(tmp_path / f"data/02_intermediate/speech/{uid}.wav", wave)
    catalog = project_catalog("ingestion", "features", params_features=TINY)
    catalog["manifest"].save(manifest)
    return catalog


def test_the_index_and_the_shards_agree_with_the_clips(catalog, manifest, caplog):
    caplog.set_level(logging.INFO)
    SequentialRunner().run(features.create_pipeline(), catalog)
    index, store, speech = (catalog.load(name) for name in ("feature_index", "log_mels", "question_speech"))
    pd.testing.assert_frame_equal(index[manifest.columns], manifest)
    assert index["mel_frames"].tolist() == [100, 200, 300]
    assert index["audio_tokens"].tolist() == [audio_token_count(frames) for frames in (100, 200, 300)]
    for uid in index["uid"]:
        assert np.array_equal(store[uid], log_mel(speech[uid]))
    assert "Log-mels of 3 clips take 0.3 MB, 1 shard(s) in all" in caplog.text

    tokenizer = load_processor(catalog.load("processor").path).tokenizer
    expected = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in index["user_content"]]
    assert index["question_tokens"].tolist() == expected
    assert (index["answer_tokens"] > index["question_tokens"]).all()
    words = set(tokenizer.get_vocab())
    assert "Ġhappy" in words
    assert "Ġbrave" not in words, "the tokenizer has seen the test split"


def test_computed_log_mels_are_the_stored_ones_and_take_no_disk(catalog, project_catalog, tmp_path):
    SequentialRunner().run(features.create_pipeline(), catalog)
    stored, index = catalog.load("log_mels"), catalog.load("feature_index")
    expected = {uid: stored[uid] for uid in stored}
    computing = project_catalog(
        "ingestion", "features", params_features=TINY.model_copy(update={"log_mels": "computed"})
    )
    SequentialRunner().run(features.create_pipeline(), computing)
    computed = computing.load("log_mels")
    assert list(computed) == list(expected)
    assert all(np.array_equal(computed[uid], expected[uid]) for uid in expected)
    pd.testing.assert_frame_equal(computing.load("feature_index"), index)
    assert [file.name for file in (tmp_path / "data/04_feature/log_mel").iterdir()] == ["clips.json"]


@pytest.mark.parametrize("log_mels", ["stored", "computed"])
def test_clips_that_are_linked_are_read_where_they_stand(catalog, project_catalog, manifest, tmp_path, log_mels):
    raw = tmp_path / "data/01_raw/train/0001/question.flac"
    raw.parent.mkdir(parents=True)
    soundfile.write(raw, 0.1 * np.random.default_rng(0).standard_normal(24_013), 24_000)
    links = {"train/0001": "data/01_raw/train/0001/question.flac"}
    (tmp_path / "data/02_intermediate/speech/links.json").write_text(json.dumps(links))
    (tmp_path / "data/02_intermediate/speech/train/0001.wav").unlink()
    manifest.loc[0, "question_seconds"] = 24_013 / 24_000
    catalog["manifest"].save(manifest)
    params = TINY.model_copy(update={"log_mels": log_mels})
    linked = project_catalog("ingestion", "features", params_features=params)
    SequentialRunner().run(features.create_pipeline(), linked)
    assert linked.load("feature_index")["mel_frames"].tolist() == [100, 200, 300]
    assert np.array_equal(linked.load("log_mels")["train/0001"], log_mel(load_audio(raw)))


def test_what_a_killed_run_left_in_the_work_folder_is_used(catalog, manifest, tmp_path):
    params = TINY.model_copy(update={"shard_megabytes": 1})
    speech = catalog.load("question_speech")
    work = tmp_path / "data/04_feature/work"
    nodes.compute_log_mels(manifest, speech, work, params)
    shutil.rmtree(tmp_path / "data/02_intermediate/speech")  # so it cannot be computed again
    store = nodes.compute_log_mels(manifest, speech, work, params)
    assert [store.frames(uid) for uid in manifest["uid"]] == [100, 200, 300]


def test_two_rows_with_one_uid_are_refused(catalog, manifest, tmp_path):
    twice = pd.concat([manifest, manifest.head(1)])
    with pytest.raises(SoundmindError, match="train/0001: two rows"):
        nodes.compute_log_mels(twice, catalog.load("question_speech"), tmp_path, TINY)


def test_a_processor_that_is_named_is_taken_as_it_is(tiny_processor, manifest, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # what the node leaves for its dataset to move
    tiny_processor.save_pretrained(tmp_path / "given")
    folder = nodes.prepare_processor(manifest, FeaturesParams(processor=str(tmp_path / "given")))
    assert load_processor(folder.path).tokenizer.get_vocab() == tiny_processor.tokenizer.get_vocab()
    assert load_processor(folder.path).chat_template == tiny_processor.chat_template
    with pytest.raises(SoundmindError, match="nowhere"):
        nodes.prepare_processor(manifest, FeaturesParams(processor=str(tmp_path / "nowhere")))


def test_shards_of_another_manifest_are_noticed(catalog, manifest):
    SequentialRunner().run(features.create_pipeline(), catalog)
    other = pd.concat([manifest, manifest.tail(1).assign(uid="test/0002")], ignore_index=True)
    with pytest.raises(SoundmindError, match=r"1 rows of the manifest have no log-mel, first test/0002"):
        nodes.index_features(other, catalog.load("log_mels"), catalog.load("processor"))


def test_a_clip_that_is_gone_stops_the_stage_and_leaves_no_shards(catalog, tmp_path):
    (tmp_path / "data/02_intermediate/speech/train/0002.wav").unlink()
    with pytest.raises(Exception, match=r"train/0002\.wav: missing"):
        SequentialRunner().run(features.create_pipeline().only_nodes("compute_log_mels"), catalog)
    assert not catalog.exists("log_mels")


def test_kedro_can_read_the_parameter_types_and_nothing_heavy_is_imported(modules_after):
    for node in features.create_pipeline().nodes:
        hints = typing.get_type_hints(node.func)
        assert "params" not in hints or hints["params"] is FeaturesParams
        assert node.tags == {"features"}
    heavy = {"torch", "librosa", "great_expectations", "transformers", "mlflow"}
    assert not heavy & modules_after("from soundmind_pipeline.pipelines import features; features.create_pipeline()")


def test_the_parameters_that_ship_are_the_defaults(base_parameters):
    assert FeaturesParams(**base_parameters("features")) == FeaturesParams()

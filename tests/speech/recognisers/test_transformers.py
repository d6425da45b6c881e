import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.speech.audio import write_wav
from soundmind_pipeline.speech.recognisers.opening import open_recogniser
from soundmind_pipeline.speech.recognisers.params import RecogniserParams


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(16_000 * seconds)).astype(np.float32)


def test_a_ctc_model_hears_waves_and_files_of_any_rate_and_length(ctc_folder, tmp_path):
    write_wav(tmp_path / "clip.wav", noise(2), rate=24_000)
    recogniser = open_recogniser(RecogniserParams(model=str(ctc_folder)))
    assert recogniser.transcribe_many([noise(1), tmp_path / "clip.wav", noise(31)]) == ["b", "b", "b"]
    assert recogniser.transcribe_many([]) == []


def test_a_whisper_model_hears_long_clips_and_the_same_words_in_any_company(whisper_folder):
    recogniser = open_recogniser(RecogniserParams(model=str(whisper_folder)))
    clips = [noise(2, seed=1), noise(40, seed=2), noise(1, seed=3)]
    alone = [recogniser.transcribe_many([clip])[0] for clip in clips]
    assert recogniser.transcribe_many(iter(clips)) == alone
    assert any(alone)


def test_the_description_pins_the_weights(ctc_folder):
    described = open_recogniser(RecogniserParams(model=str(ctc_folder))).describe()
    assert described["recogniser"].startswith("wav2vec2 (transformers 5.")
    assert described["weights"] == {"model.safetensors": sha256_of(ctc_folder / "model.safetensors")}


def test_the_description_pins_weights_in_the_format_of_pytorch(ctc_folder, tmp_path):
    folder = Path(shutil.copytree(ctc_folder, tmp_path / "ctc"))
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    recogniser = open_recogniser(RecogniserParams(model=str(folder)))
    assert recogniser.describe()["weights"] == {"pytorch_model.bin": sha256_of(folder / "pytorch_model.bin")}
    assert recogniser.transcribe_many([noise(1)]) == ["b"]


def test_a_folder_without_a_recogniser_is_told(tmp_path):
    with pytest.raises(SoundmindError, match="holds no recogniser"):
        open_recogniser(RecogniserParams(model=str(tmp_path)))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(SoundmindError, match="holds no speech recogniser"):
        open_recogniser(RecogniserParams(model=str(tmp_path)))


def test_a_model_that_hears_no_long_clips_is_refused(ctc_folder, monkeypatch):
    moonshine = SimpleNamespace(type="seq2seq", model=SimpleNamespace(config=SimpleNamespace(model_type="moonshine")))
    monkeypatch.setattr("transformers.pipeline", lambda *_, **__: moonshine)
    with pytest.raises(SoundmindError, match="holds a moonshine, which cannot hear long clips"):
        open_recogniser(RecogniserParams(model=str(ctc_folder)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_told(ctc_folder):
    with pytest.raises(SoundmindError, match="device is cuda, but torch finds none"):
        open_recogniser(RecogniserParams(model=str(ctc_folder), device="cuda"))

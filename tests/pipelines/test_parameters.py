import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.pipelines import parameters
from soundmind_pipeline.problems.construction.params import TeacherParams


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ({"api_key_env": "sk-0123456789abcdef"}, "teacher.endpoint.api_key_env: must be the name"),
        ({"base_url": "https://me:sk-0123456789abcdef@host"}, "teacher.endpoint.base_url: must hold neither"),
    ],
)
def test_a_key_in_the_wrong_place_is_not_shown(monkeypatch, endpoint, said):
    monkeypatch.setitem(parameters.BLOCKS, "teacher", TeacherParams)
    with pytest.raises(SoundmindError) as error:
        parameters.validate_parameters({"teacher": {"endpoint": endpoint}})
    assert said in str(error.value) and "sk-0123" not in str(error.value)


def test_other_values_are_shown(monkeypatch):
    monkeypatch.setitem(parameters.BLOCKS, "teacher", TeacherParams)
    with pytest.raises(SoundmindError, match=r"teacher\.attempts: .*got -3"):
        parameters.validate_parameters({"teacher": {"attempts": -3}})

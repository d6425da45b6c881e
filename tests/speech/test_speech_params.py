import pytest
from pydantic import ValidationError

from soundmind_pipeline.speech.params import SpeechParams


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"pitch": [60, 40]}, "the low end 60 is above the high end 40"),
        ({"words_per_minute": [20, 200]}, "80"),
        ({"words_per_minute": 200}, "words_per_minute"),
        ({"workers": 0}, "workers"),
        ({"worker": 2}, "worker"),
        ({"engine": "festival"}, "engine"),
        ({"piper": {"speed": [1.2, 0.8]}}, "the low end 1.2 is above the high end 0.8"),
        ({"kokoro": {"speed": [0.2, 1.0]}}, "kokoro.speed"),
        ({"piper": {"noise": 0.5}}, "piper.noise"),
    ],
)
def test_wrong_values_are_named(values, named):
    with pytest.raises(ValidationError, match=named):
        SpeechParams(**values)


def test_lists_from_yaml_become_pairs():
    assert SpeechParams(pitch=[45, 55]).pitch == (45, 55)

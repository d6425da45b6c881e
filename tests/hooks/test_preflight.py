"""A package that is missing at the end of a run is told at its beginning."""

from types import SimpleNamespace

import pytest
from kedro.pipeline import Node, Pipeline

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.hooks.preflight import PreflightHooks
from soundmind_pipeline.speech import packages

PIPER = {"engine": "piper"}
QUIET = {"evaluation": {"spoken": {"problems": 0}, "baselines": {"cascade": None}}}


@pytest.fixture
def start(monkeypatch):
    """Begin a run of one stage where no package of speech is installed."""
    monkeypatch.setattr(packages, "find_spec", lambda module: None)

    def begin(stage, **parameters):
        hooks = PreflightHooks()
        hooks.after_context_created(SimpleNamespace(config_loader={"parameters": parameters}))
        hooks.before_pipeline_run(Pipeline([Node(lambda x: x, "a", "b", name="n", tags=stage)]))

    return begin


@pytest.mark.parametrize(
    ("stage", "parameters", "block"),
    [
        ("evaluation", {}, "evaluation.spoken"),
        ("evaluation", {"evaluation": {"spoken": {"problems": 0}, "baselines": {"cascade": {}}}}, "baselines.cascade"),
        ("evaluation", {"evaluation": {**QUIET["evaluation"], "other_voice": PIPER}}, "evaluation.other_voice"),
        ("rl", {"rl": {"spoken": {"enabled": True, "speech": PIPER}}}, "rl.spoken"),
        ("ablation", {"ablation": {"rl": {"spoken": {"enabled": True, "speech": PIPER}}}}, "ablation.rl.spoken"),
        ("rl", {"rl": {"spoken": {"enabled": True, "closing_check": "recogniser"}}}, "rl.spoken"),
    ],
)
def test_what_is_missing_is_told_first(start, stage, parameters, block):
    with pytest.raises(SoundmindError, match=block) as error:
        start(stage, **parameters)
    assert "pip install" in str(error.value)


@pytest.mark.parametrize(
    ("stage", "parameters"),
    [
        ("sft", {}),
        ("rl", {}),
        ("rl", {"rl": {"spoken": {"enabled": True}}}),  # espeak-ng comes with the project
        ("ablation", {}),
        ("evaluation", QUIET),
        ("evaluation", {"evaluation": {**QUIET["evaluation"], "other_voice": PIPER, "controls": ["silence"]}}),
    ],
)
def test_what_is_not_wanted_is_not_asked_for(start, stage, parameters):
    start(stage, **parameters)

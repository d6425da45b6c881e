import json
import logging
from pathlib import Path

import pytest
from torch import nn

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.training.deepspeed_config import resolve_config
from soundmind_pipeline.training.params import OptimizerParams, TrainingParams

FILES = Path(__file__).parents[2] / "conf" / "base" / "deepspeed"


def resolve(config, **params):
    return resolve_config(config, nn.Linear(64, 32), OptimizerParams(max_grad_norm=0.7), TrainingParams(**params))


def test_auto_values_are_filled_in_and_told(caplog):
    config = {
        "gradient_clipping": "auto",
        "bf16": {"enabled": "auto"},
        "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": "auto"},
    }
    with caplog.at_level(logging.INFO):
        resolved = resolve(config, precision="bfloat16")
    assert resolved["gradient_clipping"] == 0.7
    assert resolved["bf16"] == {"enabled": True}
    assert resolved["zero_optimization"] == {"stage": 3, "stage3_param_persistence_threshold": 320}
    assert "gradient_clipping=0.7" in caplog.text
    assert config["gradient_clipping"] == "auto"


def test_what_the_parameters_decide_is_refused():
    with pytest.raises(SoundmindError, match=r"'optimizer'.*parameters decide"):
        resolve({"optimizer": {"type": "Adam"}})


def test_an_auto_value_nobody_resolves_is_named():
    with pytest.raises(SoundmindError, match=r"zero_optimization\.stage"):
        resolve({"zero_optimization": {"stage": "auto"}})


@pytest.mark.parametrize("stage", range(4))
def test_the_files_of_the_project_resolve(stage):
    resolved = resolve(json.loads((FILES / f"zero{stage}.json").read_text()))
    assert resolved["zero_optimization"]["stage"] == stage
    assert "auto" not in json.dumps(resolved)

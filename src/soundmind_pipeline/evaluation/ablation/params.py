"""Parameters of the ablation."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from soundmind_pipeline.params import DISTINCT, Params
from soundmind_pipeline.rewards.params import RewardWeights
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.reinforce.params import AlgorithmName

Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
TABLE_7_WEIGHTS: Mapping[str, dict[str, float]] = {
    "full": {},
    "no_audio": {"format_audio": 0.0, "length_audio": 0.0},
    "no_text": {"format_text": 0.0, "length_text": 0.0, "format_audio": 1.0, "length_audio": 1.0},
    "no_answer": {"answer": 0.0},
}
"""Weights of each row of the paper's table 7, where they are not those of the full reward."""


class AblationParams(Params):
    """Which RL runs are compared: every setting with every algorithm, each with every seed."""

    settings: Annotated[tuple[str, ...], DISTINCT] = Field(default=tuple(TABLE_7_WEIGHTS), min_length=1)
    """Reward settings to run, by name: keys of `weights`."""

    weights: dict[Name, dict[str, Weight]] = Field(default_factory=lambda: dict(TABLE_7_WEIGHTS))
    """Reward settings: name (a-z, 0-9, _) → the terms (as in `rl.reward.weights`) that weigh other than in
    the rl block."""

    algorithms: Annotated[tuple[AlgorithmName, ...], DISTINCT] = ()
    """Presets to run each setting with, in place of `rl.algorithm`; empty: that one alone."""

    seeds: Annotated[tuple[NonNegativeInt, ...], DISTINCT] = Field(default=(0, 1, 2), min_length=1)
    """Seeds of RL (prompts, sampling, adapters); all start from the same SFT policy."""

    rl: dict[str, Any] = Field(default_factory=lambda: {"spoken": {"enabled": True}})
    """Keys of the rl block that every run of the ablation has otherwise, nested as there. The audio terms of the reward
    are earned by spoken rollouts alone, so these are on."""

    problems: PositiveInt | None = None
    """Held-out problems that each policy answers, the first of the split; null: all of them."""

    resume: bool = True
    """Keep what an interrupted or earlier ablation has finished with the same parameters, data and code; false starts
    anew."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if "sft" in self.weights:
            raise ValueError("weights.sft: this name is that of the policy that every setting starts from")
        for name, weights in self.weights.items():
            for term in sorted(set(weights) - set(RewardWeights.model_fields)):
                raise ValueError(f"weights.{name}.{term}: the terms are {', '.join(RewardWeights.model_fields)}")
        for name in self.settings:
            if name not in self.weights:
                raise ValueError(f"settings: {name!r} has no weights; there are {', '.join(self.weights)}")
        return self

    @model_validator(mode="after")
    def _overrides_fit(self) -> Self:
        """Unknown keys of `rl` must not wait for the first training."""
        if "seed" in self.rl:
            raise ValueError("rl.seed: has no effect here, give `seeds`")
        try:
            RlParams.model_validate(merged(RlParams().model_dump(), self.rl))
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"rl.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        return self


def merged(block: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``block`` with the keys of ``overrides``, nested ones merged."""
    result = dict(block)
    for key, value in overrides.items():
        below = result.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result

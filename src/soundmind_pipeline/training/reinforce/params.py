"""Which critic-free algorithm runs: six presets over explicit fields."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, model_validator

from soundmind_pipeline.params import Params

AlgorithmName = Literal["reinforce_pp", "reinforce_pp_baseline", "grpo", "dr_grpo", "rloo", "dapo"]
KlEstimator = Literal["k1", "k2", "k3"]
Baseline = Literal["none", "group_mean", "group_norm", "leave_one_out"]
Aggregation = Literal["token_mean", "sequence_mean", "constant_length"]

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "reinforce_pp": {},  # the field defaults below are this preset
        "reinforce_pp_baseline": {"advantage": "group_mean", "kl_estimator": "k2", "kl_placement": "loss"},
        "grpo": {
            "advantage": "group_norm",
            "whitening": False,
            "kl_estimator": "k3",
            "kl_placement": "loss",
            "kl_beta": 0.04,
            "aggregation": "sequence_mean",
        },
        "dr_grpo": {
            "advantage": "group_mean",
            "whitening": False,
            "kl_estimator": "k3",
            "kl_placement": "loss",
            "kl_beta": 0.0,
            "aggregation": "constant_length",
        },
        "rloo": {"advantage": "leave_one_out", "whitening": False, "aggregation": "constant_length"},
        "dapo": {
            "advantage": "group_norm",
            "whitening": False,
            "kl_beta": 0.0,
            "clip_high": 0.28,
            "dynamic_sampling": True,
            "overlong": 0.2,
        },
    }
)


class AlgorithmParams(Params):
    """The objective of the RL stage: ``name`` fills the defaults of every other field, any of which may be set.

    The presets and the paper behind each value are tabled in ``docs/algorithms.md``.
    """

    name: AlgorithmName = "reinforce_pp"
    """Preset that fills the fields not given: the paper's ``reinforce_pp``, or one of five relatives."""

    kl_estimator: KlEstimator = "k1"
    """Per-token estimator of KL(π_θ ‖ π_SFT): k1 = log-ratio, k2 = half its square, k3 = unbiased and non-negative."""

    kl_placement: Literal["reward", "loss"] = "reward"
    """Where the KL penalty acts: subtracted from the reward (eq. 6) or added to the loss."""

    kl_beta: float = Field(default=0.001, ge=0)
    """Weight β of the KL penalty; 0 switches it off, and no reference policy need be evaluated."""

    advantage: Baseline = "none"
    """What is subtracted from a response's reward: nothing, the mean of its group (``group_norm`` also divides by the
    group's standard deviation), or the mean of the other responses of the group."""

    whitening: bool = True
    """Normalise the advantages to mean 0 and standard deviation 1 over all valid tokens of the global batch (eq. 7)."""

    aggregation: Aggregation = "token_mean"
    """How token losses become one: mean over tokens, mean of the means of responses, or sum over a constant length."""

    clip_low: float = Field(default=0.2, gt=0, lt=1)
    """The importance ratio is clipped below at 1 - clip_low."""

    clip_high: float = Field(default=0.2, gt=0)
    """The importance ratio is clipped above at 1 + clip_high; DAPO raises it to let unlikely tokens gain weight."""

    dual_clip: float | None = Field(default=None, gt=1)
    """Upper bound of ratio x |advantage| for negative advantages, in multiples of |advantage|; null is off."""

    mask_truncated: bool = False
    """Leave completions that hit the token limit out of the loss instead of learning from their reward."""

    dynamic_sampling: bool = False
    """Drop the groups whose responses all earned the same, which teach nothing, and sample others in their place."""

    dynamic_sampling_term: Literal["total", "answer"] = "answer"
    """The reward term whose variance in the group decides; the total hardly ever ties while the length ramp is on."""

    overlong: float = Field(default=0.0, ge=0, le=1)
    """Share of ``max_new_tokens`` over which the penalty for overlong completions ramps from 0 to -1; 0 is off."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        """Put the preset's values under those given, which win."""
        if not isinstance(given, Mapping):
            return given
        return {**PRESETS.get(str(given.get("name", "reinforce_pp")), {}), **given}

    @property
    def needs_reference(self) -> bool:
        """Whether the log-probabilities of the frozen SFT policy enter the objective."""
        return self.kl_beta > 0

    @property
    def needs_groups(self) -> bool:
        """Whether several responses to one prompt are compared, so that at least two must be sampled."""
        return self.advantage != "none" or self.dynamic_sampling

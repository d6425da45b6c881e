"""The learning rate of a step, as a function of the step alone: nothing to save, nothing to restore."""

import math

from soundmind_pipeline.training.params import ScheduleParams


def learning_rate(params: ScheduleParams, step: int, steps: int) -> float:
    """The learning rate of step `step` of `steps`, counted from 1.

    A linear warm-up over `warmup_steps` multiplies the decay, which runs from 1 to `floor` over all steps.
    """
    warmup = min(1.0, step / params.warmup_steps) if params.warmup_steps else 1.0
    if params.decay == "constant":
        return params.lr * warmup
    cosine = 0.5 * (1.0 + math.cos(math.pi * step / steps))
    return params.lr * warmup * (params.floor + (1.0 - params.floor) * cosine)

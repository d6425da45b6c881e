import pytest

from soundmind_pipeline.training.params import ScheduleParams
from soundmind_pipeline.training.schedules import learning_rate


def test_warms_up_linearly_and_ends_at_the_floor():
    params = ScheduleParams(lr=2.0, warmup_steps=4, floor=0.1)
    # Step 1 of 100: a quarter of the warm-up, times 0.1 + 0.9 · (1 + cos(π/100)) / 2.
    assert learning_rate(params, 1, 100) == pytest.approx(2.0 * 0.25 * (0.1 + 0.9 * 0.99975327), rel=1e-6)
    assert learning_rate(params, 50, 100) == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))
    assert learning_rate(params, 100, 100) == pytest.approx(0.2)


def test_constant_only_warms_up():
    params = ScheduleParams(lr=1.0, warmup_steps=2, decay="constant")
    assert [learning_rate(params, step, 4) for step in (1, 2, 3, 4)] == [0.5, 1.0, 1.0, 1.0]


def test_without_warmup_the_first_step_is_a_whole_one():
    assert learning_rate(ScheduleParams(lr=1.0, warmup_steps=0, decay="constant"), 1, 4) == 1.0

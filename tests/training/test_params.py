import pytest
from pydantic import ValidationError

from soundmind_pipeline.training.params import PhaseParams, RlParams, ScheduleParams, SftParams


def test_unknown_keys_are_named():
    with pytest.raises(ValidationError, match="stepz"):
        RlParams.model_validate({"stepz": 3})
    with pytest.raises(ValidationError, match="audio_row\n"):
        SftParams.model_validate({"phases": [{"name": "a", "steps": 1, "train": ["text"], "audio_row": 1}]})


def test_default_curriculum_hears_first_reasons_second_and_joins_last():
    hear, reason, joint = SftParams().phases
    assert hear.train == ("audio_tower", "embeddings") and not hear.answer_weight and hear.ctc_weight
    assert not reason.audio_rows and "audio_tower" not in reason.train
    assert joint.audio_rows and joint.text_rows and joint.ctc_weight


@pytest.mark.parametrize(
    ("phase", "message"),
    [({}, "neither audio_rows nor text_rows"), ({"audio_rows": 1, "answer_weight": 0.0}, "nor ctc_weight")],
)
def test_a_phase_without_a_loss_is_refused(phase, message):
    with pytest.raises(ValidationError, match=message):
        PhaseParams(name="idle", steps=1, train=("text",), schedule=ScheduleParams(lr=1.0), **phase)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"algorithm": {"name": "grpo"}, "sampling": {"n": 1}}, "at least 2"),
        ({"sampling": {"n": 4, "temperature": 0.0}}, "above 0"),
        ({"sampling": {"n": 4, "top_p": 0.9}}, "must be off"),
        ({"prompts_per_step": 2, "minibatches": 3}, "must not exceed"),
    ],
)
def test_blocks_that_do_not_fit_together_are_refused(block, message):
    with pytest.raises(ValidationError, match=message):
        RlParams.model_validate(block)


def test_every_field_is_explained():
    for model in (SftParams, RlParams, PhaseParams, ScheduleParams):
        assert all(field.description for field in model.model_fields.values()), model


def test_rollouts_are_spoken_where_it_is_switched_on_and_earns_something():
    def speaks(enabled, **weights):
        block = {"spoken": {"enabled": enabled}, "reward": {"weights": weights}}
        return RlParams.model_validate(block).speaks

    assert not RlParams().speaks and not speaks(False)
    assert speaks(True) and speaks(True, length_audio=0) and speaks(True, format_audio=0)
    assert not speaks(True, format_audio=0, length_audio=0)

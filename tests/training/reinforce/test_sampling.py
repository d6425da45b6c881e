import pytest
import torch

from soundmind_pipeline.training.reinforce.sampling import informative_rows, mask_truncated, overlong_penalties

torch.set_num_threads(1)


def test_groups_with_equal_scores_are_dropped_whole():
    scores = torch.tensor([2.0, 2.0, 2.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0])
    assert informative_rows(scores, 3).tolist() == [False] * 3 + [True] * 3 + [False] * 3


def test_a_group_of_one_is_never_informative():
    assert informative_rows(torch.tensor([1.0, 2.0]), 1).tolist() == [False, False]


def test_scores_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="groups of 3"):
        informative_rows(torch.ones(4), 3)


def test_truncated_rows_leave_the_mask():
    mask = torch.tensor([[True, True], [True, False], [True, True]])
    finished = torch.tensor([True, True, False])
    assert mask_truncated(mask, finished).tolist() == [[True, True], [True, False], [False, False]]


def test_overlong_penalties_ramp_over_the_last_fifth():
    penalties = overlong_penalties(torch.tensor([1, 80, 90, 100]), max_new_tokens=100, share=0.2)
    torch.testing.assert_close(penalties, torch.tensor([0.0, 0.0, -0.5, -1.0]))
    assert overlong_penalties(torch.tensor([100]), 100, 0.0).tolist() == [0.0]

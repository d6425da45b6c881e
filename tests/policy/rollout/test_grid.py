import torch

from soundmind_pipeline.policy.rollout.grid import SampleGrid

EOS = 9


def grid(prompts: int = 2, samples: int = 3, max_steps: int = 4) -> SampleGrid:
    return SampleGrid(prompts, samples, max_steps, EOS, torch.device("cpu"))


def record(target: SampleGrid, tokens: list[int]) -> bool:
    return target.record(torch.tensor(tokens), torch.tensor(tokens) * -0.1)


def test_rows_end_apart_and_the_rest_is_cut() -> None:
    target = grid()
    assert not record(target, [1, 2, 3, 4, 5, 6])
    assert record(target, [1, EOS, 3, 4, 5, 6]) and target.ended == 1
    assert record(target, [EOS, EOS, 3, 4, 5, 6])  # what a row says behind its end does not count
    assert target.ended == 2 and not target.done
    record(target, [7, 7, EOS, 4, 5, 6])
    assert target.done and target.ended == 3
    tokens, log_probs, finished = target.completions()
    assert tokens == [[1, 1, EOS], [2, EOS], [3, 3, 3, EOS], [4] * 4, [5] * 4, [6] * 4]
    assert finished == [True, True, True, False, False, False]
    torch.testing.assert_close(log_probs[1], torch.tensor([-0.2, -0.9]))


def test_done_when_all_have_ended() -> None:
    target = grid(1, 2)
    record(target, [EOS, 1])
    assert not target.done
    record(target, [1, EOS])
    assert target.done
    assert target.completions()[0] == [[EOS], [1, EOS]]


def test_shrinking_drops_ended_prompts_and_keeps_the_order_of_rows() -> None:
    target = grid(3, 3, 3)
    record(target, [EOS, 2, EOS, EOS, EOS, EOS, 7, EOS, 8])
    prompts, slots = target.shrink()
    assert prompts.tolist() == [0, 2]  # the second prompt has ended altogether
    assert [row[0] for row in slots.tolist()] == [1, 0] and slots.shape == (2, 2)
    assert slots.tolist()[1] == [0, 2]
    record(target, [20, 21, 70, 80])  # the second place of the first prompt has ended already
    record(target, [EOS, 22, EOS, 81])
    tokens, _, finished = target.completions()
    assert tokens == [[EOS], [2, 20, EOS], [EOS], [EOS], [EOS], [EOS], [7, 70, EOS], [EOS], [8, 80, 81]]
    assert finished == [True] * 8 + [False]


def test_no_shrinking_for_little() -> None:
    target = grid(2, 3)
    record(target, [EOS, 2, 3, 4, 5, 6])
    assert target.shrink() is None  # the other prompt still needs three places
    record(target, [0, 2, 3, EOS, 5, 6])
    assert target.shrink()[1].tolist() == [[1, 2], [1, 2]]
    assert target.shrink() is None

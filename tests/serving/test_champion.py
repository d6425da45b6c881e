import pandas as pd
import pytest

from soundmind_pipeline.serving.champion import decide, problem_digests


def answers(right, start=0):
    return pd.DataFrame({"problem": [f"p{start + i}" for i in range(len(right))], "right": right})


HALF = answers([True, False] * 50)


def test_a_significantly_better_version_is_promoted():
    better = answers([True, True] * 20 + [True, False] * 30)  # 20 gained, none lost: p = 2 · 2⁻²⁰
    decision = decide(better, HALF, 0.05)
    assert decision.promote
    assert decision.why.startswith("+20.0 points on 100 dev problems [")
    assert decision.why.endswith("p = 1.91e-06")


@pytest.mark.parametrize(
    "right",
    [
        [True, True] * 5 + [True, False] * 45,  # 5 gained: p = 0.0625
        [True, False] * 50,  # the same answers
        [False, False] * 20 + [True, False] * 30,  # significantly worse
    ],
)
def test_any_other_is_not(right):
    decision = decide(answers(right), HALF, 0.05)
    assert not decision.promote
    assert decision.why.endswith("not significantly better")


def test_the_level_decides():
    assert decide(answers([True, True] * 5 + [True, False] * 45), HALF, 0.1).promote


def test_answers_are_paired_by_problem_and_not_by_place():
    assert not decide(HALF.sample(frac=1.0, random_state=0), HALF, 0.05).promote


def test_a_problem_that_stands_in_dev_twice_counts_once():
    better = answers([True, True] * 5 + [True, False] * 45)
    assert decide(pd.concat([better, better]), HALF, 0.05) == decide(better, HALF, 0.05)


def test_other_dev_problems_cannot_be_compared():
    decision = decide(answers([True] * 100, start=40), HALF, 0.05)
    assert not decision.promote
    assert decision.why == "the champion answered other dev problems (60 of its 100 are among these 100)"


def test_what_nobody_answered_cannot_be_compared():
    assert not decide(None, HALF, 0.05).promote
    assert not decide(HALF, None, 0.05).promote


def test_a_problem_is_its_sound_its_text_and_its_label():
    rows = pd.DataFrame({"question_sha256": ["a", "b", "a"], "user_content": ["q"] * 3, "label": [0, 0, 1]})
    assert problem_digests(rows).nunique() == 3
    again = rows.assign(uid=["dev/1", "dev/2", "dev/3"], split="test")
    assert problem_digests(again).tolist() == problem_digests(rows).tolist()

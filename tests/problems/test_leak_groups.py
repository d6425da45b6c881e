import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmind_pipeline.problems.leak_groups import assign_leak_groups

LONG = "the ship that left the old harbour at dawn carried salt and timber to the islands in the north sea every spring"
NEAR = LONG.replace("spring", "autumn")
OTHER = "nobody in the village remembers who built the mill by the river or why its wheel was never seen to turn at all"
THIRD = "if the two clocks agree then the train that the miners wait for is late again and so is their pay for the year"


def rows(*triplets, groups=None, prompts=None) -> pd.DataFrame:
    frame = pd.DataFrame(triplets, columns=["major_premise", "minor_premise", "conclusion"]).astype("str")
    frame["user_content"] = pd.Series(prompts or [" ".join(filter(None, triplet)) for triplet in triplets], dtype="str")
    frame["leak_group"] = pd.Series(groups or [None] * len(triplets), dtype="str")
    return frame


def grouped(frame: pd.DataFrame) -> list[set[int]]:
    """The sets of places that share a group, in order."""
    groups = assign_leak_groups(frame)["leak_group"]
    assert groups.notna().all()
    return [set(places) for places in groups.groupby(groups, sort=False).groups.values()]


def test_questions_and_major_premises_link_rows_exactly_and_nearly():
    frame = rows(
        (LONG, "a", "first claim"),
        ("  " + LONG.upper(), "b", "second claim"),
        (NEAR, "c", "third claim"),
        (OTHER, "d", "fourth claim"),
        (None, "which", THIRD),
        (None, "which", THIRD.replace("year", "month")),
        ("tiny", "e", "sixth claim"),
        ("minute", "e", "sixth claim"),
    )
    assert grouped(frame) == [{0, 1, 2}, {3}, {4, 5}, {6}, {7}]


def test_a_chain_of_likenesses_is_one_group():
    first = " ".join(f"w{place}" for place in range(40))
    second = first.replace("w38 w39", "a b")
    third = second.replace("w20", "c")
    assert grouped(rows((first, "a", "b"), (third, "e", "f"))) == [{0}, {1}]
    assert grouped(rows((first, "a", "b"), (third, "e", "f"), (second, "c", "d"))) == [{0, 1, 2}]


def test_equal_prompts_without_a_triplet_are_one_group():
    frame = rows((None, None, None), (None, None, None), (None, None, None), prompts=["Does it?", "does  IT?", "No?"])
    assert grouped(frame) == [{0, 1}, {2}]


def test_triplets_without_a_prompt_are_compared_by_themselves():
    frame = rows((None, "why", "so"), (None, "why", "so"), (LONG, "why", "so"), (NEAR, "how", "then"))
    frame["user_content"] = pd.Series([None] * 4, dtype="str")
    assert grouped(frame) == [{0, 1}, {2, 3}]


def test_given_groups_stay_and_pass_on_to_what_they_are_linked_to():
    frame = rows((LONG, "a", "b"), (NEAR, "c", "d"), (OTHER, "e", "f"), ("x", "g", "h"), groups=["k", None, "k", None])
    filled = assign_leak_groups(frame)["leak_group"]
    assert filled[:3].tolist() == ["k", "k", "k"] and len(filled[3]) == 16
    whole = rows((LONG, "a", "b"), (LONG, "a", "b"), groups=["one", "two"])
    pd.testing.assert_frame_equal(assign_leak_groups(whole), whole)


def test_the_frame_that_is_given_is_left_alone():
    frame = rows((LONG, "a", "b"), (OTHER, "c", "d"))
    frame.index = pd.Index([7, 3])
    before = frame.copy()
    filled = assign_leak_groups(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert filled.index.tolist() == [7, 3] and filled["leak_group"].dtype == before["leak_group"].dtype


def test_no_rows_are_no_groups():
    assert assign_leak_groups(rows()).empty


@given(st.lists(st.tuples(*[st.sampled_from([LONG, NEAR, OTHER, "x y z", "x", ""])] * 3), max_size=8), st.randoms())
@settings(max_examples=60)
def test_groups_do_not_depend_on_the_order(triplets, random):
    triplets = [(major or None, minor or None, claim or "so") for major, minor, claim in triplets]
    frame = rows(*triplets)
    groups = assign_leak_groups(frame)["leak_group"].tolist()
    order = random.sample(range(len(triplets)), len(triplets))
    shuffled = assign_leak_groups(frame.iloc[order])["leak_group"].tolist()
    assert shuffled == [groups[place] for place in order]

import pytest

from soundmind_pipeline.audit.duplicates import across, inside, premise_index, question_index

LONG = (
    "the committee met on monday and after a long debate it chose the second of the three plans that were on the table"
)


@pytest.fixture
def splits(make_row, make_prompt):
    def rows(*prompts):
        return [make_row(line, user_content=text, id=f"{line}", label=label) for line, (text, label) in prompts]

    dev = [
        (1, (make_prompt("Major A", conclusion="c1"), 1)),
        (2, (make_prompt("Major A", conclusion="c2"), 1)),
        (3, (make_prompt("major  a", conclusion="C1"), 0)),
        (4, (make_prompt("Major A", conclusion="c1"), 1)),
        (5, ("no triplet here", 0)),
        (7, (make_prompt(LONG), 1)),
    ]
    test = [
        (1, (make_prompt("Major B"), 1)),
        (2, (make_prompt("MAJOR A", conclusion="c1"), 1)),
        (3, ("No  Triplet here", 0)),
        (4, (make_prompt(LONG.replace("second", "third")), 1)),
        (5, ("no triplet here", 1)),
    ]
    return {"dev": rows(*dev), "test": rows(*test)}


def test_inside_a_split(splits):
    questions, premises = question_index(splits), premise_index(splits)
    dev = inside(questions, premises, "dev")
    assert dev["duplicate_questions"] == 2  # lines 3 and 4 repeat line 1
    assert [(r["line"], r["first"]["line"], r["label"]) for r in dev["duplicate_question_rows"]] == [
        (3, 1, 0),
        (4, 1, 1),
    ]
    assert dev["duplicates_with_both_labels"] == 1
    assert dev["repeated_major_premises"] == 3  # lines 2, 3, 4 repeat line 1's
    assert dev["near_duplicate_questions"] == 0
    test = inside(questions, premises, "test")
    assert (test["duplicate_questions"], test["duplicates_with_both_labels"]) == (1, 1)


def test_across_splits(splits):
    pair = across(question_index(splits), premise_index(splits), "dev", "test")
    assert pair["shared_questions"] == 2
    assert pair["rows_with_shared_questions"] == {"dev": 4, "test": 3}
    assert pair["shared_questions_with_other_label"] == 2
    assert pair["shared_major_premises"] == 1
    assert pair["rows_with_shared_major_premises"] == {"dev": 4, "test": 1}
    first, second = pair["shared_questions_rows"]
    assert [row["line"] for row in first["dev"]] == [1, 3, 4] and [row["line"] for row in first["test"]] == [2]
    assert second["text"] == "no triplet here" and [row["line"] for row in second["test"]] == [3, 5]


def test_near_across_splits(splits):
    pair = across(question_index(splits), premise_index(splits), "dev", "test")
    assert pair["near_questions"] == {"dev": 1, "test": 1}
    (near,) = pair["near_questions_rows"]
    # 23 words and the other parts' 7 make 28 runs of three; the changed word stands in three of them.
    assert near["similarity"] == pytest.approx(25 / 31)
    assert near["dev"]["rows"] == [{"line": 7, "id": "7", "label": 1}]
    assert near["test"]["rows"][0]["line"] == 4
    assert pair["near_major_premises"] == {"dev": 0, "test": 0}  # 18 of 24


def test_a_split_against_itself_shares_everything(splits):
    same = {"a": splits["dev"], "b": splits["dev"]}
    pair = across(question_index(same), premise_index(same), "a", "b")
    assert pair["shared_questions"] == 4 and pair["near_questions_rows"] == []
    assert pair["shared_questions_with_other_label"] == 0

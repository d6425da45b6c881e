import pytest
from scipy.stats import fisher_exact as reference

from soundmind_pipeline.audit.leaks import fisher_exact, spelling_table, template_table


@pytest.mark.parametrize(
    "table",
    [(1, 9, 11, 3), (0, 342, 33, 0), (3, 1, 1, 3), (0, 0, 5, 5), (5, 5, 5, 5), (10, 0, 2, 3), (2000, 900, 30, 40)],
)
def test_fishers_exact_test(table):
    a, b, c, d = table
    assert fisher_exact(a, b, c, d) == pytest.approx(reference([[a, b], [c, d]])[1], rel=1e-6)


def test_a_hyphen_that_gives_the_label_away(make_row):
    rows = [make_row(label=0, verdict="not entailed") for _ in range(30)]
    rows += [make_row(label=1, verdict="not-entailed") for _ in range(10)]
    rows += [make_row(label=1, verdict="entailed") for _ in range(20)]
    table = {entry["wording"]: entry for entry in spelling_table(rows)}
    assert list(table) == ["not entailed", "entailed", "not-entailed"]
    hyphen = table["not-entailed"]
    assert (hyphen["verdict"], hyphen["rows"], hyphen["entailed"], hyphen["not_entailed"]) == (
        "not entailed",
        10,
        10,
        0,
    )
    assert hyphen["leak"] and table["not entailed"]["leak"]
    # One spelling of a verdict has nothing to differ from, though it predicts the label: that is what verdicts do.
    assert table["entailed"]["p"] is None and not table["entailed"]["leak"]


def test_spellings_that_say_nothing_are_no_leak(make_row):
    rows = [make_row(label=0, verdict=("not entailed", "not-entailed")[i % 2]) for i in range(40)]
    assert [entry["leak"] for entry in spelling_table(rows)] == [False, False]
    few = [make_row(label=0, verdict="not entailed")] * 3 + [make_row(label=1, verdict="not-entailed")]
    assert not any(entry["leak"] for entry in spelling_table(few))


def test_a_prompt_that_gives_the_label_away(make_row, make_prompt):
    rows = [make_row(label=i % 2, user_content=make_prompt(f"a{i}") + ("!" if i % 2 else "")) for i in range(40)]
    table = template_table(rows)
    assert [(entry["rows"], entry["leak"]) for entry in table] == [(20, True), (20, True)]
    assert table[0]["wording"].startswith('Here: Major premise is "…".')
    assert [e["wording"] for e in template_table([make_row(user_content="x")])] == ["(no triplet found)"]


def test_answers_without_a_verdict_have_no_spelling(make_row):
    assert spelling_table([make_row(answer="hm")]) == []

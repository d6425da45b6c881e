import pytest

from soundmind_pipeline.audit.lengths import MEASURES, percentile, statistics_of
from soundmind_pipeline.problems.published.table3 import PAPER, paper_row


def test_statistics_by_hand(make_row):
    rows = [make_row(label=label, answer_seconds=value) for label, value in ((1, 2.0), (1, 4.0), (0, 9.0), (0, None))]
    statistics = statistics_of(rows)
    assert tuple(statistics) == MEASURES
    seconds = statistics["answer_seconds"]
    assert seconds == {
        "count": 3,
        "total": 15.0,
        "mean": 5.0,
        "std": pytest.approx((26 / 3) ** 0.5),
        "min": 2.0,
        "median": 4.0,
        "p95": 9.0,
        "max": 9.0,
        "mean_entailed": 3.0,
        "mean_not_entailed": 9.0,
    }
    assert statistics["question_seconds"] is None
    assert statistics["answer_words"]["count"] == 4


def test_one_label_only(make_row):
    assert statistics_of([make_row(label=1)])["answer_words"]["mean_not_entailed"] is None


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.2, 1), (0.5, 3), (0.95, 5), (1.0, 5)])
def test_nearest_rank(share, value):
    assert percentile([1, 2, 3, 4, 5], share) == value


def test_the_papers_table():
    assert sum(row["rows"] for row in PAPER.values()) == 6446
    assert all(row["entailed"] + row["not_entailed"] == row["rows"] for row in PAPER.values())
    assert paper_row("Validation") == PAPER["dev"] and paper_row("training") == PAPER["train"]
    assert paper_row("mine") is None

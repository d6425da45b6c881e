import importlib
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = importlib.import_module("annotations")
    monkeypatch.setattr(module, "SIZES", {"train": 30, "dev": 8, "test": 6})
    return module


@pytest.fixture
def rows(bench, tmp_path):
    return bench.read_rows(tmp_path / "absent.jsonl")[:10]


def test_made_up_rows_are_as_long_as_published_ones(rows):
    words = [len(row["user_content"].split()) for row in rows]
    assert 140 < sum(words) / len(words) < 170  # table 3: 155 tokens
    assert len({row["user_content"] for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("way", "groups", "near"),  # near copies inside splits: 3 of each row in train; numbers 20 and 40 of row 0
    [("exact_copies", 10, 0), ("near_copies", 10, 30), ("varied", 42, 2)],
)
def test_each_way_is_ingested_validated_and_audited(bench, rows, tmp_path, way, groups, near):
    bench.write_splits(rows, bench.WAYS[way], tmp_path)
    ids = [json.loads(line)["id"] for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert ids == [f"{number:04d}" for number in range(1, 31)]
    stages = {stage: found for stage, _, found in bench.run_stages(tmp_path)}
    assert list(stages) == ["ingest", "validate", "audit"]
    assert (stages["ingest"]["rows"], stages["ingest"]["rejected"]) == (44, 0)
    assert stages["ingest"]["leak_groups"] == groups
    assert stages["audit"]["near_duplicate_questions"] == near
    assert stages["validate"]["expectations"] > 40

import json

import pandas as pd

from soundmind_pipeline.problems.sources.soundmind import read_soundmind
from soundmind_pipeline.problems.sources.source_labels import SourceLabels


def test_source_labels_fill_what_is_not_known(dataset, tmp_path):
    rows, _, _ = read_soundmind(dataset.write_jsonl().root)
    lines = [
        {**dict(zip(["major_premise", "minor_premise", "conclusion"], triplet, strict=True)), "label": label}
        for triplet, label in zip(
            rows[["major_premise", "minor_premise", "conclusion"]].to_numpy().tolist(), (0, 0, 1), strict=True
        )
    ]
    ambiguous = lines[2] | {"label": 0, "conclusion": lines[2]["conclusion"].upper()}
    path = tmp_path / "logiqa.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, ambiguous]))
    labels = SourceLabels()
    labels.read(path)
    filled = labels.fill(rows)
    assert filled["source_label"].tolist() == [0, 0, pd.NA]
    assert filled["source_label"].dtype == "Int64" and rows["source_label"].isna().all()
    given = rows.assign(source_label=pd.array([1, None, None], dtype="Int64"))
    assert labels.fill(given)["source_label"].tolist() == [1, 0, pd.NA]
    without = rows.assign(major_premise=None, minor_premise=None, conclusion=None)
    assert labels.fill(without)["source_label"].isna().all()

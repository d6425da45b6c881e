"""``evaluation.json`` on disk."""

import json

from soundmind_pipeline.evaluation.results_file import complete_results


def test_seconds_are_filled_in_and_nothing_else_changes(tmp_path):
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({"policies": {"rl": {"2.1–3.0 s": 0.5}}, "audio": None, "seconds": {}}))
    found = complete_results(path, {"sft": 3.5, "rl": 1.25})
    assert found == {"policies": {"rl": {"2.1–3.0 s": 0.5}}, "audio": None, "seconds": {"sft": 3.5, "rl": 1.25}}
    assert json.loads(path.read_text(encoding="utf-8")) == found
    first = path.read_bytes()
    complete_results(path, {"rl": 1.25, "sft": 3.5})
    assert path.read_bytes() == first  # whatever order things come in
    assert list(json.loads(first)) == ["audio", "policies", "seconds"]

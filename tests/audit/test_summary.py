import io
from pathlib import Path

from rich.console import Console

from soundmind_pipeline.audit.run import SplitRows, audit_splits
from soundmind_pipeline.audit.summary import print_summary


def said(file: str) -> str:
    bad = [{"line": 7, "reason": "dev/0001 (raw/q.wav): question_audio: silent"}]
    document = audit_splits({"dev": SplitRows(file, "0" * 64, [], bad)}, "whitespace words")
    output = io.StringIO()
    print_summary(Console(file=output, width=200), document, [Path("audit.html")])
    return output.getvalue()


def test_a_bad_row_of_a_file_is_named_with_its_line():
    assert "dev: first bad row in dev.jsonl, line 7: dev/0001 (raw/q.wav)" in said("dev.jsonl")


def test_a_bad_row_of_a_manifest_is_in_quarantine_and_has_no_line_there():
    assert "dev: first bad row: dev/0001 (raw/q.wav): question_audio: silent" in said("manifest")

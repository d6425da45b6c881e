import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from soundmind_pipeline.commands.audit import audit, parse_annotations, run
from soundmind_pipeline.errors import SoundmindError

ROW = {"user_content": "Does it follow?", "answer": "Yes.\nAnswer: entailed.", "label": 1, "id": "0001"}


@pytest.fixture
def dev(tmp_path):
    path = tmp_path / "dev.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps(ROW | {"label": 0}) + "\n{bad\n")
    return path


def test_it_writes_both_files_and_a_summary(tmp_path, dev):
    logiqa = tmp_path / "logiqa.txt"
    logiqa.write_text('{"label": 1, "major_premise": "a", "minor_premise": "b", "conclusion": "c"}\n')
    arguments = ["--annotations", f"dev={dev}", "--annotations", f"test={dev}", "--source", str(logiqa)]
    result = CliRunner().invoke(audit, [*arguments, "--out", str(tmp_path / "new" / "out")])
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "new" / "out" / "audit.json").read_text())
    assert document["splits"]["dev"]["rows"] == 2 and document["splits"]["dev"]["label_conflicts"] == 1
    assert document["cross_split"]["dev__test"]["shared_questions"] == 1
    assert (tmp_path / "new" / "out" / "audit.html").read_text().startswith("<!doctype html>")
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == ["audit.html", "audit.json"]
    words = " ".join(result.output.split())
    assert "dev 2 1 1 1 1 1" in words and "dev and test share 1 questions and 0 major premises" in words
    assert "line 3: not JSON" in words and "0 rows found in the source" in words


def test_the_same_files_give_the_same_report(tmp_path, dev):
    for name in ("a", "b"):
        run({"dev": dev}, (), None, tmp_path / name)
    for name in ("audit.json", "audit.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dev.jsonl"], "dev.jsonl: names no split"),
        (["dev="], "names no split"),
        (["=a"], "cannot name a split"),
        (["a__b=c"], "cannot name a split"),
        (["a b=c"], "cannot name a split"),
        (["dev=a", "dev=b"], "'dev' is given twice"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(SoundmindError, match="--annotations") as error:
        parse_annotations(arguments)
    assert message in str(error.value)


def test_a_path_may_hold_an_equals_sign():
    assert str(parse_annotations(["dev-2_x=a=b.jsonl"])["dev-2_x"]) == "a=b.jsonl"


def test_files_that_are_not_there(tmp_path, dev):
    for splits, sources in (({"dev": tmp_path / "no.jsonl"}, ()), ({"dev": dev}, (tmp_path / "no.txt",))):
        with pytest.raises(SoundmindError, match="no such file"):
            run(splits, sources, None, tmp_path / "out")
    with pytest.raises(SoundmindError, match="no such file"):
        run({"dev": dev}, (), tmp_path / "tokenizer", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_written(tmp_path, dev):
    with pytest.raises(SoundmindError, match=r"dev\.jsonl"):
        run({"dev": dev}, (), None, dev)


def test_neither_torch_nor_kedro_is_imported(tmp_path, dev):
    code = (
        "import sys; from pathlib import Path; from soundmind_pipeline.commands.audit import run; "
        f"run({{'dev': Path({str(dev)!r})}}, (), None, Path({str(tmp_path / 'out')!r})); "
        "sys.exit(str({'torch', 'kedro', 'mlflow', 'transformers', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip() == "set()"

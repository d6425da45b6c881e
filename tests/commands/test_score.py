import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from soundmind_pipeline.commands.score import parse_weights, run, score
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.rewards.params import RewardWeights

GOOD = {"response": "<think>a b</think>\nAnswer: entailed.", "label": 1, "reference": "a b c d\nAnswer: entailed."}
KEYS = ["verdict", "reason", "format_text", "format_audio", "answer", "length_text", "length_audio", "total"]
KEYS.append("verdict_lenient")


def write(path, *rows):
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_scores_rows_in_order_and_sums_them_up(tmp_path):
    spoken = {**GOOD, "id": 7, "audio_seconds": 2.0, "reference_audio_seconds": 4, "voice": "ignored"}
    source = write(
        tmp_path / "in.jsonl", {**GOOD, "id": "a"}, spoken, {**GOOD, "response": "hm", "audio_seconds": None}
    )
    target = tmp_path / "sub" / "out.jsonl"
    result = CliRunner().invoke(score, ["--responses", str(source), "--out", str(target)])
    assert result.exit_code == 0, result.output
    first, second, third = read(target)
    assert list(first) == ["id", *KEYS] and list(third) == KEYS
    assert [first[key] for key in KEYS] == ["entailed", None, 1, 0, 2, 0.5, 0, 3.5, "entailed"]
    assert (second["id"], second["format_audio"], second["length_audio"]) == (7, 0.5, 0.375)
    assert (third["verdict"], third["reason"], third["total"]) == (None, "tag_count", 0)
    assert result.output.count("\n") == 1
    assert "3 rows; means: total 2.625" in result.output and "1 without verdict (tag_count 1)" in result.output


def test_plain_format_and_weights(tmp_path):
    source = write(tmp_path / "in.jsonl", {**GOOD, "response": "a b\nAnswer: not_entailed", "label": 0})
    target = tmp_path / "out.jsonl"
    arguments = ["--responses", str(source), "--out", str(target), "--format", "plain", "--weights", "0,0,3,10,0"]
    assert CliRunner().invoke(score, arguments).exit_code == 0
    assert [read(target)[0][key] for key in ("format_text", "answer", "length_text", "total")] == [0, 3, 5, 8]


def test_nan_durations_and_blank_lines_are_fine(tmp_path):
    source = write(
        tmp_path / "in.jsonl", b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), b"", {**GOOD, "audio_seconds": float("nan")}
    )
    run(source, tmp_path / "out.jsonl", "think", RewardWeights())
    assert [row["format_audio"] for row in read(tmp_path / "out.jsonl")] == [0, 0]


def without(key):
    return {name: value for name, value in GOOD.items() if name != key}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"{", "line 2: not JSON"),
        (b"[" * 100_000, "line 2: not JSON"),
        (b'{"response": "\xff"}', "line 2: not UTF-8"),
        (b"[1]", "line 2: not a JSON object but [1]"),
        (without("response"), "line 2, key 'response': must be a string, is missing"),
        (without("label"), "line 2, key 'label': must be 0 or 1, is missing"),
        (without("reference"), "line 2, key 'reference': must be a string, is missing"),
        ({**GOOD, "response": None}, "line 2, key 'response': must be a string, is null"),
        ({**GOOD, "label": "entailed"}, "line 2, key 'label': must be 0 or 1, is \"entailed\""),
        ({**GOOD, "label": True}, "line 2, key 'label': must be 0 or 1, is true"),
        ({**GOOD, "label": 2}, "line 2, key 'label': must be 0 or 1, is 2"),
        ({**GOOD, "label": 1.0}, "line 2, key 'label': must be 0 or 1, is 1.0"),
        ({**GOOD, "audio_seconds": "3"}, "line 2, key 'audio_seconds': must be a number"),
        ({**GOOD, "reference_audio_seconds": True}, "line 2, key 'reference_audio_seconds': must be a number"),
        ({**GOOD, "audio_seconds": 10**400}, "line 2, key 'audio_seconds': must be a number"),
        ({**GOOD, "label": "x" * 500}, "x…"),
    ],
    ids=range(16),
)
def test_a_bad_line_is_named_and_nothing_is_written(tmp_path, bad, message):
    source, target = write(tmp_path / "in.jsonl", GOOD, bad, GOOD), tmp_path / "out.jsonl"
    target.write_text("earlier result\n")
    with pytest.raises(SoundmindError) as error:
        run(source, target, "think", RewardWeights())
    assert message in error.value.message and len(error.value.message) < 400
    assert str(source) in error.value.message or "x…" in message
    assert target.read_text() == "earlier result\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_missing_and_empty_files_are_named(tmp_path):
    with pytest.raises(SoundmindError, match=r"nowhere\.jsonl: no such file"):
        run(tmp_path / "nowhere.jsonl", tmp_path / "out.jsonl", "think", RewardWeights())
    with pytest.raises(SoundmindError, match="holds no rows"):
        run(write(tmp_path / "in.jsonl", b""), tmp_path / "out.jsonl", "think", RewardWeights())
    (tmp_path / "file").write_text("")
    with pytest.raises(SoundmindError, match=r"out\.jsonl"):
        run(write(tmp_path / "in.jsonl", GOOD), tmp_path / "file" / "out.jsonl", "think", RewardWeights())


@pytest.mark.parametrize(
    "text", ["", "1,2,3,4", "1,2,3,4,5,6", "1,2,x,4,5", "1,2,-3,4,5", "1,2,nan,4,5", "1,inf,3,4,5"]
)
def test_bad_weights_are_refused(text):
    with pytest.raises(SoundmindError, match="--weights"):
        parse_weights(text)


def test_the_command_needs_no_torch():
    code = (
        "import sys, soundmind_pipeline.commands.score; print({'torch', 'numpy', 'kedro', 'pandas'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"

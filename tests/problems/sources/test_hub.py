"""Fetching with the real client from a hub on this machine, which gives the few answers that a snapshot needs."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.sources.hub import RECORD_FILE, fetch_soundmind
from soundmind_pipeline.problems.sources.soundmind import read_soundmind

HUB_ID = "team/SoundMindDataset"
SOUND = "dev/0002/answer_0.wav"


@dataclass
class FakeHub:
    """Files of one data set; ``fail`` names files (or ``tree``) that are not given, ``requests`` what was asked."""

    hub_id: str
    files: dict[str, bytes]
    commit: str = "c" * 40
    fail: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    endpoint: str = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path."""
        api, files = f"/api/datasets/{self.hub_id}/", f"/datasets/{self.hub_id}/resolve/{self.commit}/"
        if path == f"{api}revision/main":
            body = {"id": self.hub_id, "sha": self.commit, "siblings": [], "private": False, "tags": []}
            return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
        if path == f"{api}tree/{self.commit}" and "tree" not in self.fail:
            tree = [{"type": "file", "oid": _oid(b), "size": len(b), "path": name} for name, b in self.files.items()]
            return 200, {"Content-Type": "application/json"}, json.dumps(tree).encode()
        name = path.removeprefix(files)
        if path.startswith(files) and name in self.files.keys() - self.fail:
            content = self.files[name]
            return 200, {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": self.commit}, content
        known = "RevisionNotFound" if path.startswith(f"{api}revision/") else "EntryNotFound"
        code = known if path.startswith((files, api)) else "RepoNotFound"
        return 404, {"X-Error-Code": code}, b""


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def serve(hub: FakeHub) -> Iterator[FakeHub]:
    """Answer for ``hub`` at ``hub.endpoint`` while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = unquote(urlsplit(self.path).path)
            hub.requests.append(path)
            status, headers, body = hub.answer(path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def hub(dataset, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_OFFLINE", False, raising=False)
    root = dataset.write_all().root
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with serve(FakeHub(HUB_ID, files | {"README.md": b"# SoundMind"})) as hub:
        yield hub


def downloaded(hub: FakeHub) -> set[str]:
    """Files that were asked for since the last look."""
    names = {path.partition(f"/resolve/{hub.commit}/")[2] for path in hub.requests}
    hub.requests.clear()
    return names - {""}


def test_texts_alone_come_first_and_sounds_when_wanted(hub, tmp_path):
    folder = tmp_path / "fetched"
    assert fetch_soundmind(HUB_ID, folder, with_audio=False, endpoint=hub.endpoint) == hub.commit
    assert downloaded(hub) == {"README.md", "dev/metadata.jsonl"}
    rows, rejected, clips = read_soundmind(folder)
    assert (len(rows), len(rejected), clips) == (3, 0, {})
    fetch_soundmind(HUB_ID, folder, with_audio=True, endpoint=hub.endpoint)
    assert downloaded(hub) == hub.files.keys() - {"README.md", "dev/metadata.jsonl"}
    rows, rejected, clips = read_soundmind(folder)
    assert (len(rows), len(rejected), len(clips)) == (3, 0, 3)
    assert clips["dev/0001"].question.read_bytes() == b"RIFF"


def test_a_broken_fetch_goes_on_where_it_was_with_the_same_commit(hub, tmp_path):
    folder = tmp_path / "fetched"
    hub.fail = {SOUND}
    with pytest.raises(SoundmindError, match="could not be fetched") as caught:
        fetch_soundmind(HUB_ID, folder, with_audio=True, endpoint=hub.endpoint)
    assert "goes on where it was" in str(caught.value)
    downloaded(hub)
    hub.fail = set()
    record = json.loads((folder / RECORD_FILE).read_text())
    assert record == {"hub_id": HUB_ID, "revision": "main", "commit": hub.commit}
    assert fetch_soundmind(HUB_ID, folder, with_audio=True, endpoint=hub.endpoint) == hub.commit
    assert SOUND in downloaded(hub)
    assert len(read_soundmind(folder)[2]) == 3


def test_a_complete_folder_needs_no_hub(hub, tmp_path):
    folder = tmp_path / "fetched"
    fetch_soundmind(HUB_ID, folder, with_audio=True, endpoint=hub.endpoint)
    downloaded(hub)
    assert fetch_soundmind(HUB_ID, folder, with_audio=True, endpoint=hub.endpoint) == hub.commit
    assert hub.requests == []


def test_a_hub_that_lists_no_files_is_not_taken_for_a_complete_fetch(hub, tmp_path):
    hub.fail = {"tree"}
    with pytest.raises(SoundmindError, match="lacks the hub's list of its files"):
        fetch_soundmind(HUB_ID, tmp_path / "fetched", with_audio=False, endpoint=hub.endpoint)


def test_a_data_set_of_another_kind_is_named(hub, tmp_path):
    hub.files = {"data.parquet": b"PAR1"}
    with pytest.raises(SoundmindError, match=r"lacks any of \*\.jsonl, README\.md"):
        fetch_soundmind(HUB_ID, tmp_path / "fetched", with_audio=False, endpoint=hub.endpoint)


@pytest.mark.parametrize("hub_id", ["team/Elsewhere", "no such//name"])
def test_an_unknown_data_set_is_named(hub, tmp_path, hub_id):
    with pytest.raises(SoundmindError, match=f"does not give {hub_id}") as caught:
        fetch_soundmind(hub_id, tmp_path / "fetched", with_audio=False, endpoint=hub.endpoint)
    assert "HF_TOKEN" in str(caught.value)


def test_an_unknown_revision_is_named(hub, tmp_path):
    with pytest.raises(SoundmindError, match="v9"):
        fetch_soundmind(HUB_ID, tmp_path / "fetched", with_audio=False, revision="v9", endpoint=hub.endpoint)


def test_a_hub_that_cannot_be_reached_is_named_with_the_next_step(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SoundmindError, match="could not be fetched into") as caught:
        fetch_soundmind(HUB_ID, tmp_path / "fetched", with_audio=False, endpoint=hub.endpoint)
    assert "yourself: the hub is then not asked" in str(caught.value)


@pytest.mark.parametrize("record", ['{"hub_id": "a/b", "revision": "main", "commit": "c"}', "[]", "{"])
def test_a_folder_with_another_data_set_is_left_alone(tmp_path, record):
    (tmp_path / RECORD_FILE).write_text(record)
    with pytest.raises(SoundmindError, match=RECORD_FILE):
        fetch_soundmind(HUB_ID, tmp_path, with_audio=False)
    assert (tmp_path / RECORD_FILE).read_text() == record

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import psutil
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.speech import log_mels, shard_build
from soundmind_pipeline.speech.audio import AudioError, load_audio, write_wav
from soundmind_pipeline.speech.log_mel import log_mel
from soundmind_pipeline.speech.log_mels import SpokenClip
from soundmind_pipeline.speech.shard_build import Workforce, build_shards
from soundmind_pipeline.speech.shards import LogMelStore

CLIPS = 12
SHARD = 3 * 100 * 512  # 3 clips of 1 s
ALONE = Workforce("local", 1)
TWO = Workforce("local", 2)


def make_clips(folder: Path, count: int = CLIPS) -> dict[str, SpokenClip]:
    """Clips of 1 s at 24 kHz."""
    clips = {}
    for number in range(count):
        file = folder / f"{number:04d}.wav"
        write_wav(file, 0.1 * np.random.default_rng(number).standard_normal(24_000), rate=24_000)
        clips[f"train/{number:04d}"] = SpokenClip(str(file), sha256_of(file), 100)
    return clips


@pytest.fixture
def clips(tmp_path):
    return make_clips(tmp_path / "speech")


@pytest.fixture
def many_processes(monkeypatch):
    """A process counts as worth its start for less speech than these tests have."""
    monkeypatch.setattr(shard_build, "SECONDS_WORTH_A_PROCESS", 1)


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """Names of the clips that this process reads, as it does."""
    names: list[str] = []
    monkeypatch.setattr(log_mels, "load_audio", lambda file: (names.append(Path(file).stem), load_audio(file))[1])
    return names


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_every_clip_is_stored_with_the_numbers_it_gives(clips, tmp_path):
    store = build_shards(tmp_path / "work", clips, SHARD, ALONE)
    assert list(store) == list(clips)
    for uid, clip in clips.items():
        assert np.array_equal(store[uid], log_mel(load_audio(clip.file)))
    assert len(list((tmp_path / "work").glob("*.safetensors"))) == 4


def test_a_pool_of_processes_writes_the_same_bytes(clips, tmp_path, many_processes):
    build_shards(tmp_path / "alone", clips, SHARD, ALONE)
    build_shards(tmp_path / "two", clips, SHARD, TWO)
    assert contents(tmp_path / "two") == contents(tmp_path / "alone")


def test_little_speech_is_not_worth_a_pool(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_build, "build_in_processes", None)
    assert len(build_shards(tmp_path / "work", clips, SHARD, TWO)) == CLIPS


def test_ray_with_two_workers_writes_the_same_bytes(clips, tmp_path):
    pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[cluster]'")
    build_shards(tmp_path / "alone", clips, SHARD, ALONE)
    build_shards(tmp_path / "ray", clips, SHARD, Workforce("ray", 2))
    assert contents(tmp_path / "ray") == contents(tmp_path / "alone")
    Path(clips["train/0007"].file).unlink()
    with pytest.raises(SoundmindError, match=r"0007\.wav: missing"):
        build_shards(tmp_path / "broken", clips, SHARD, Workforce("ray", 2))


def test_a_ray_cluster_of_two_machines_writes_the_same_bytes_and_goes_on_running(clips, tmp_path):
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="ray is not installed: pip install -e '.[cluster]'")
    build_shards(tmp_path / "alone", clips, SHARD, ALONE)
    cluster = cluster_utils.Cluster()
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
        for name in ("first", "second"):
            build_shards(tmp_path / name, clips, SHARD, Workforce("ray", 2, cluster.address))
            assert contents(tmp_path / name) == contents(tmp_path / "alone")
    finally:
        cluster.shutdown()


def test_a_ray_cluster_that_is_not_there_is_named(clips, tmp_path):
    pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[cluster]'")
    with pytest.raises(SoundmindError, match=r"features\.ray_address: Ray cannot be reached at auto"):
        build_shards(tmp_path / "work", clips, SHARD, Workforce("ray", 2, "auto"))


def test_an_absent_ray_is_explained(clips, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SoundmindError, match=r"(?s)features\.engine is ray.*soundmind-pipeline\[cluster\]"):
        build_shards(tmp_path / "work", clips, SHARD, Workforce("ray", 2))


def test_only_what_is_missing_damaged_or_changed_is_computed_again(clips, tmp_path, read, caplog):
    caplog.set_level(logging.INFO)
    build_shards(tmp_path / "work", clips, SHARD, ALONE)
    whole = contents(tmp_path / "work")
    (tmp_path / "work/shards.json").unlink()
    (tmp_path / "work/shard-00000.json").unlink()
    damaged = tmp_path / "work/shard-00002.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-4] + b"\0\0\0\1")
    (tmp_path / "work/.shard-00003.9999.tmp.safetensors").write_bytes(b"left by a run that was killed")
    read.clear()
    build_shards(tmp_path / "work", clips, SHARD, ALONE)
    assert read == ["0000", "0001", "0002", "0006", "0007", "0008"]
    assert contents(tmp_path / "work") == whole
    assert "2 of them there already" in caplog.text

    write_wav(clips["train/0004"].file, np.full(24_000, 0.2), rate=24_000)
    spoken_anew = SpokenClip(clips["train/0004"].file, sha256_of(clips["train/0004"].file), 100)
    read.clear()
    store = build_shards(tmp_path / "work", clips | {"train/0004": spoken_anew}, SHARD, ALONE)
    assert read == ["0003", "0004", "0005"]
    assert np.array_equal(store["train/0004"], log_mel(load_audio(spoken_anew.file)))


def test_a_smaller_dataset_leaves_no_shards_of_the_larger_one(clips, tmp_path):
    build_shards(tmp_path / "work", clips, SHARD, ALONE)
    few = dict(list(clips.items())[:3])
    assert list(build_shards(tmp_path / "work", few, SHARD, ALONE)) == list(few)
    assert sorted(contents(tmp_path / "work")) == ["shard-00000.json", "shard-00000.safetensors", "shards.json"]


@pytest.mark.parametrize("workforce", [ALONE, TWO])
def test_a_clip_that_cannot_be_used_ends_the_work_and_is_named(clips, tmp_path, many_processes, workforce):
    Path(clips["train/0009"].file).write_bytes(b"RIFF")
    with pytest.raises(AudioError, match=r"0009\.wav"):
        build_shards(tmp_path / "work", clips, SHARD, workforce)
    with pytest.raises(SoundmindError, match="there are no log-mels"):
        LogMelStore(tmp_path / "work")


def test_a_clip_that_has_changed_since_the_manifest_is_named(clips, tmp_path):
    write_wav(clips["train/0004"].file, np.full(16_160, 0.1))
    with pytest.raises(SoundmindError, match=r"0004\.wav gives 101 log-mel frames; the manifest's duration says 100"):
        build_shards(tmp_path / "work", clips, SHARD, ALONE)


def test_the_size_is_stated_and_a_small_disk_is_refused_before_anything_is_read(
    clips, tmp_path, read, caplog, monkeypatch
):
    caplog.set_level(logging.INFO)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 4 * SHARD - 1))
    with pytest.raises(SoundmindError, match=r"(?s)need 0\.6 MB more; .* has 0\.6 MB free.*features\.log_mels"):
        build_shards(tmp_path / "work", clips, SHARD, ALONE)
    assert read == []
    assert "Log-mels of 12 clips take 0.6 MB, 4 shard(s) in all. " in caplog.text
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 4 * SHARD))
    build_shards(tmp_path / "work", clips, SHARD, ALONE)
    # What is there already needs no more space.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 0))
    build_shards(tmp_path / "work", clips, SHARD, ALONE)


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from soundmind_pipeline.speech import log_mels, shard_build

load = log_mels.load_audio
# The last shard waits for the end; in the workers too, which run this file.
log_mels.load_audio = lambda file: (Path(file).stem >= "0009" and time.sleep(600), load(file))[1]
shard_build.SECONDS_WORTH_A_PROCESS = 1

if __name__ == "__main__":
    from test_shard_build import SHARD, TWO, make_clips

    shard_build.build_shards(Path("work"), make_clips(Path("speech")), SHARD, TWO)
"""


def test_a_run_that_is_killed_goes_on_where_it_was_and_leaves_no_process(clips, tmp_path, read):
    script = tmp_path / "slow.py"
    script.write_text(SLOW.format(tests=str(Path(__file__).parent)))
    run = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, start_new_session=True)
    work = tmp_path / "work"
    try:
        deadline = time.monotonic() + 600
        while not list(work.glob("shard-*.json")):
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        workers = psutil.Process(run.pid).children(recursive=True)
        assert len(workers) >= 2
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    assert psutil.wait_procs(workers, timeout=180)[1] == [], "workers outlive a run that was killed"
    done = {file.stem for file in work.glob("shard-*.json")}
    assert 0 < len(done) < 4
    kept = {name: (work / f"{name}.safetensors").stat().st_mtime_ns for name in done}
    assert not (work / "shards.json").exists()

    build_shards(work, clips, SHARD, ALONE)
    assert len(read) == CLIPS - 3 * len(done)
    assert {name: (work / f"{name}.safetensors").stat().st_mtime_ns for name in done} == kept
    build_shards(tmp_path / "undisturbed", clips, SHARD, ALONE)
    assert contents(work) == contents(tmp_path / "undisturbed")


MEMORY = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from soundmind_pipeline.speech.shard_build import build_shards
from test_shard_build import ALONE, SHARD, make_clips

clip = make_clips(Path("speech"), 1)["train/0000"]
for count in (40, 2000):
    build_shards(Path(f"work-{{count}}"), {{f"train/{{n:04d}}": clip for n in range(count)}}, SHARD, ALONE)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_number_of_clips(tmp_path):
    code = MEMORY.format(tests=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    few, many = (int(line) / 1024 for line in done.stdout.split())  # MiB
    # 1,960 log-mels more would take 96 MiB.
    assert many - few < 15

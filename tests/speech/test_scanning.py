import os
import runpy
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech import scanning
from soundmind_pipeline.speech.scan import ScanParams, scan_clip
from soundmind_pipeline.speech.scanning import scan_clips

damage = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("damage.py"))))

# A decoder that dies of one clip, hangs on another, and chats on standard output about all of them.
HOSTILE = """
import os, signal, sys, time
from soundmind_pipeline.speech import scan_worker
scan_clip = scan_worker.scan_clip
def hostile(path, params, root):
    os.write(1, b"decoding...\\n")
    if "killer" in path.name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "slow" in path.name:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        time.sleep(600)
    return scan_clip(path, params, root)
scan_worker.scan_clip = hostile
scan_worker.main()
"""


@pytest.fixture
def clips(tmp_path) -> list[Path]:
    paths = [tmp_path / f"{number}.wav" for number in range(12)]
    for number, path in enumerate(paths):
        path.write_bytes(damage.encoded(wave=damage.speech_like(0.3, seed=number)))
    return paths


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_facts_come_in_order_whatever_the_number_of_workers(clips, workers):
    clips[3].write_bytes(b"no sound")
    expected = [scan_clip(path, ScanParams()) for path in clips]
    found = list(scan_clips([(path, path.parent) for path in clips], ScanParams(workers=workers)))
    assert found == expected
    assert [facts.defect for facts in found].count(None) == 11


def test_a_file_that_kills_or_hangs_its_reader_is_crashed_and_the_others_are_read(clips, monkeypatch):
    monkeypatch.setattr(scanning, "COMMAND", ("-P", "-c", HOSTILE))
    for number, name in ((2, "killer"), (3, "killer too"), (7, "slow")):
        clips[number] = clips[number].rename(clips[number].with_name(f"{name}.wav"))
    started = time.monotonic()
    found = list(scan_clips([(path, None) for path in clips], ScanParams(workers=2, timeout=4)))
    assert time.monotonic() - started < 300
    crashed = {clips[number].name: facts.detail for number, facts in enumerate(found) if facts.defect == "crashed"}
    assert crashed == {
        "killer.wav": f"the process that read it died (exit status -{signal.SIGSEGV.value})",
        "killer too.wav": f"the process that read it died (exit status -{signal.SIGSEGV.value})",
        "slow.wav": "reading it did not end within 4 s",
    }
    assert sum(facts.defect is None for facts in found) == 9


def test_every_damaged_file_of_a_folder_is_told_by_workers_too(tmp_path):
    places = []
    for number, (make, _) in enumerate(damage.DAMAGE.values()):
        folder = tmp_path / str(number) / "clips"
        folder.mkdir(parents=True)
        places.append((make(folder), folder))
    found = list(scan_clips(places, ScanParams(workers=2)))
    assert [facts.defect for facts in found] == [defect for _, defect in damage.DAMAGE.values()]


def test_a_consumer_that_stops_leaves_no_process(clips):
    facts = scan_clips([(path, None) for path in clips * 20], ScanParams(workers=2))
    next(facts)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    facts.close()
    for child in children.read_text().split():
        assert b"scan_worker" not in Path(f"/proc/{child}/cmdline").read_bytes()


def test_workers_that_cannot_start_end_the_run_with_a_message(clips, monkeypatch):
    monkeypatch.setattr(scanning, "COMMAND", ("-c", "raise SystemExit(3)"))
    with pytest.raises(SoundmindError, match=r"cannot start \(exit status 3\)"):
        list(scan_clips([(path, None) for path in clips], ScanParams()))


def test_nothing_to_scan():
    assert list(scan_clips([], ScanParams())) == []

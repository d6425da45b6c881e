"""Speed of the audio scan: seconds of sound a CPU second, over one-minute clips at 24 kHz, process start-up included.

    OMP_NUM_THREADS=1 python benchmarks/audio_ingestion.py [--files 1000]

Needs a CPU and 2.9 MB of temporary disk a file; the clips are made, no two alike. The scan reads each file once: header
against content, SHA-256 of the file and of its samples, decoding, peak, loudness, clipping, offset, dead channels and
voice activity, in worker processes. Beside it runs, on the first files, what one would write with librosa:
`librosa.load` at the file's own rate, `librosa.effects.split` for the speech and `hashlib` for the checksum (which
finds no defect and reads each file twice). Both count all their CPU seconds, the children's too. Then the scan with two
workers, and the other containers. The last line is one JSON object.
"""

import argparse
import hashlib
import json
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
import soundfile

from soundmind_pipeline.speech.scan import ClipFacts, ScanParams
from soundmind_pipeline.speech.scanning import scan_clips

TARGET = 150
SECONDS, RATE = 60, 24_000
CONTAINERS = {"flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}


def speech_like() -> np.ndarray:
    """Syllables of a swelling tone with pauses between phrases, over faint noise, as int16 samples."""
    times = np.arange(SECONDS * RATE) / RATE
    level = np.abs(np.sin(2 * np.pi * 2.5 * times)) * (np.sin(2 * np.pi * times / 7) > -0.8)
    noise = np.random.default_rng(0).standard_normal(len(times))
    return (32_767 * (0.3 * level * np.sin(2 * np.pi * 180 * times) + 0.001 * noise)).astype(np.int16)


def write_clips(folder: Path, count: int) -> list[Path]:
    """Clips that differ by where they begin."""
    wave = speech_like()
    paths = [folder / f"{number:05d}.wav" for number in range(count)]
    for number, path in enumerate(paths):
        soundfile.write(path, np.roll(wave, 997 * number), RATE)
    return paths


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def scan(paths: Sequence[Path], workers: int) -> tuple[list[ClipFacts], float, float]:
    """The facts, CPU seconds and wall seconds."""
    started, clock = cpu_seconds(), time.perf_counter()
    facts = list(scan_clips([(path, path.parent) for path in paths], ScanParams(workers=workers)))
    wall = time.perf_counter() - clock
    return facts, cpu_seconds() - started, wall


def scan_with_librosa(paths: Sequence[Path]) -> tuple[list[float], float]:
    """Seconds of speech of each file, and CPU seconds."""
    started = cpu_seconds()
    speech = []
    for path in paths:
        wave, rate = librosa.load(path, sr=None)
        hashlib.sha256(path.read_bytes()).hexdigest()
        parts = librosa.effects.split(wave, top_db=35, frame_length=600, hop_length=240)
        speech.append(float((parts[:, 1] - parts[:, 0]).sum()) / rate)
    return speech, cpu_seconds() - started


def scan_containers(wav: Sequence[Path]) -> dict[str, int]:
    """Seconds of sound a CPU second for the other containers."""
    speeds = {}
    for suffix, subtype in CONTAINERS.items():
        paths = [path.with_suffix(f".{suffix}") for path in wav]
        for source, target in zip(wav, paths, strict=True):
            soundfile.write(target, soundfile.read(source)[0], RATE, subtype=subtype)
        facts, cpu, _ = scan(paths, 1)
        assert all(found.defect is None for found in facts)
        speeds[suffix] = round(SECONDS * len(paths) / cpu)
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000, help="one-minute clips to scan")
    parser.add_argument("--peer-files", type=int, default=50, help="of them, clips that librosa reads too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        paths = write_clips(Path(name), arguments.files)
        peer_paths = paths[: arguments.peer_files]
        scan_with_librosa(paths[:1])  # its first call imports and compiles
        facts, cpu, wall = scan(paths, 1)
        peer_speech, peer_cpu = scan_with_librosa(peer_paths)
        _, _, wall_of_two = scan(paths, 2)
        containers = scan_containers(paths[:20])
    speed, peer = SECONDS * len(paths) / cpu, SECONDS * len(peer_paths) / peer_cpu
    difference = max(abs(found.speech_seconds - said) for found, said in zip(facts, peer_speech, strict=False))
    print(f"scan {speed:,.0f} times real time a core; librosa.load + effects.split + hashlib {peer:,.0f}")
    print(f"wall: 1 worker {wall:.1f} s, 2 workers {wall_of_two:.1f} s; other containers {containers}")
    print(
        json.dumps(
            {
                "benchmark": "audio_ingestion",
                "files": len(paths),
                "seconds_per_file": SECONDS,
                "rate": RATE,
                "usable": sum(found.defect is None for found in facts),
                "times_real_time_per_core": round(speed),
                "target": TARGET,
                "ratio_to_target": round(speed / TARGET, 2),
                "librosa_times_real_time_per_core": round(peer),
                "ratio_to_librosa": round(speed / peer, 2),
                "largest_difference_in_speech_seconds": round(difference, 2),
                "wall_seconds_1_worker": round(wall, 2),
                "wall_seconds_2_workers": round(wall_of_two, 2),
                "containers_times_real_time_per_core": containers,
                "peak_megabytes_of_a_worker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()

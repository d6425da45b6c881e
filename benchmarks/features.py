"""Speed of the feature stage: 24 kHz WAV → 16 kHz → log-mel, beside librosa and Hugging Face's extractor.

    OMP_NUM_THREADS=1 python benchmarks/features.py

Needs a CPU, no download and no data: the clips are espeak-ng reading syllogisms for a minute, in faint noise, as 24 kHz
16-bit WAV. Ours is `log_mel(load_audio(file))`, with every check of the file that the stage makes; the peer is
`librosa.load(file, sr=16000)` and `WhisperFeatureExtractor(feature_size=128)` without padding. Both run in this process
with one thread, in turns, and CPU seconds are compared: the figures are medians over the pairs, imports excluded. The
largest difference between the two is taken over all clips.

Then the same shards are built and stored by one and by two worker processes that have been started before, in turns,
and wall times are compared. That needs two idle cores: on a machine that is shared the ratio says as much about the
neighbours, hence the median of many pairs, and the CPU seconds of both. The last line is one JSON object.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import psutil
import soundfile
import soxr
import torch
from transformers import WhisperFeatureExtractor

from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.speech.audio import load_audio
from soundmind_pipeline.speech.espeak import Utterance, synthesize_many
from soundmind_pipeline.speech.log_mel import SAMPLE_RATE, log_mel
from soundmind_pipeline.speech.log_mels import SpokenClip
from soundmind_pipeline.speech.shard_engines import build_in_pool, worker_pool
from soundmind_pipeline.speech.shard_plan import FRAME_BYTES, PlannedShard, plan_shards

SECONDS = 60
SHARD_CLIPS = 10
RATE = 24_000
TEXTS = (
    "If the manager is careful, then the report is finished on time.",
    "Everyone who reads the morning paper knows about the strike, and some of them work at the harbour.",
    "Either the letter was lost, or nobody at the office has opened it yet; but it was not lost.",
    "So here is my question: does it follow that the report is not finished on time?",
)
TARGETS = {"real_time": 1200, "ratio_to_peer": 1.5, "two_workers": 1.7, "difference": 1e-5}


def write_clips(folder: Path, count: int) -> list[Path]:
    """Clips of a minute, each with another voice pitch and noise."""
    files = []
    for number in range(count):
        spoken = [
            Utterance(text, "en-us", 160 + 5 * number, 35 + 3 * number)
            for text in islice(cycle(TEXTS), number, number + 16)
        ]
        wave = np.concatenate([sentence for _ in range(3) for sentence in synthesize_many(spoken)])
        wave = soxr.resample(wave[: SECONDS * SAMPLE_RATE], SAMPLE_RATE, RATE)
        assert len(wave) == SECONDS * RATE
        wave = 0.7 * wave + 1e-3 * np.random.default_rng(number).standard_normal(len(wave))
        files.append(folder / f"{number:04d}.wav")
        soundfile.write(files[-1], wave, RATE, subtype="PCM_16")
    return files


def make_peer() -> Callable[[Path], np.ndarray]:
    extractor = WhisperFeatureExtractor(feature_size=128)

    def peer(file: Path) -> np.ndarray:
        wave, rate = librosa.load(file, sr=SAMPLE_RATE)
        features = extractor(wave, sampling_rate=rate, padding=False, truncation=False, return_tensors="np")
        return features["input_features"][0].T

    return peer


def ours(file: Path) -> np.ndarray:
    return log_mel(load_audio(file))


def cpu_seconds(work: Callable[[Path], np.ndarray], file: Path) -> float:
    started = time.process_time()
    work(file)
    return time.process_time() - started


def compare(files: list[Path], pairs: int) -> dict[str, Any]:
    """One core's speed of both, in turns."""
    torch.set_num_threads(1)
    peer = make_peer()
    differences = [float(np.abs(ours(file) - peer(file)).max()) for file in files]
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for number, file in enumerate(islice(cycle(files), pairs)):
        order = [("ours", ours), ("peer", peer)]
        for name, work in order if number % 2 else reversed(order):
            times[name].append(cpu_seconds(work, file))
    ratios = [theirs / own for own, theirs in zip(times["ours"], times["peer"], strict=True)]
    return {
        "real_time_per_core": round(SECONDS / statistics.median(times["ours"])),
        "peer_real_time_per_core": round(SECONDS / statistics.median(times["peer"])),
        "ratio_to_peer": round(statistics.median(ratios), 2),
        "ratio_quartiles": [round(value, 2) for value in statistics.quantiles(ratios, n=4)[::2]],
        "largest_difference": max(differences),
    }


def plan(files: list[Path], shards: int) -> list[PlannedShard]:
    """Shards of 10 clips; the few clips there are come again and again."""
    count = shards * SHARD_CLIPS
    known = [SpokenClip(str(file), sha256_of(file), SECONDS * 100) for file in files]
    clips = [(f"train/{number:05d}", clip) for number, clip in enumerate(islice(cycle(known), count))]
    return plan_shards(clips, SHARD_CLIPS * SECONDS * 100 * FRAME_BYTES)


def build(pool: ProcessPoolExecutor, folder: Path, planned: list[PlannedShard]) -> tuple[float, float]:
    """Wall seconds, and CPU seconds of the workers."""
    workers = [psutil.Process(pid) for pid in pool._processes]
    before = sum(sum(worker.cpu_times()[:2]) for worker in workers)
    started = time.perf_counter()
    for _ in build_in_pool(pool, folder, planned):
        pass
    wall = time.perf_counter() - started
    return wall, sum(sum(worker.cpu_times()[:2]) for worker in workers) - before


def scale(folder: Path, files: list[Path], shards: int, repeats: int) -> dict[str, Any]:
    """Two workers against one, in turns."""
    planned = plan(files, shards)
    wall: dict[int, list[float]] = {1: [], 2: []}
    processor: dict[int, list[float]] = {1: [], 2: []}
    with worker_pool(1) as one, worker_pool(2) as two:
        for pool in (one, two):  # starts the processes and lets them import what they need
            build(pool, folder, planned)
        for number in range(repeats):
            for pool in (one, two) if number % 2 else (two, one):
                elapsed, seconds = build(pool, folder, planned)
                wall[1 if pool is one else 2].append(elapsed)
                processor[1 if pool is one else 2].append(seconds)
    ratios = [alone / together for alone, together in zip(wall[1], wall[2], strict=True)]
    speech = shards * SHARD_CLIPS * SECONDS
    return {
        "two_workers_to_one": round(statistics.median(ratios), 2),
        "two_workers_quartiles": [round(value, 2) for value in statistics.quantiles(ratios, n=4)[::2]],
        "cpu_seconds_one_and_two_workers": [round(statistics.median(processor[workers]), 2) for workers in (1, 2)],
        "stored_real_time_one_and_two_workers": [round(speech / statistics.median(wall[n])) for n in (1, 2)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=6, help="different clips of a minute")
    parser.add_argument("--pairs", type=int, default=60, help="pairs of one clip by both sides")
    parser.add_argument("--shards", type=int, default=8, help="shards of 10 clips a build; 31 MB each on disk")
    parser.add_argument("--repeats", type=int, default=15, help="builds with one and with two workers")
    parser.add_argument("--folder", type=Path, help="where clips and shards go (a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        (target := Path(folder) / "shards").mkdir()
        files = write_clips(Path(folder), arguments.clips)
        single = compare(files, arguments.pairs)
        print(
            f"one core: {single['real_time_per_core']:,} × real time, "
            f"librosa + Hugging Face {single['peer_real_time_per_core']:,} × ({single['ratio_to_peer']} times), "
            f"largest difference {single['largest_difference']:.1e}"
        )
        several = scale(target, files, arguments.shards, arguments.repeats) if arguments.repeats else {}
    if several:
        print(
            f"two workers: {several['two_workers_to_one']} times one, median of {arguments.repeats} pairs, "
            f"quartiles {several['two_workers_quartiles']}; "
            f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        )
    print(json.dumps({"benchmark": "features", "clip_seconds": SECONDS, **single, **several, "targets": TARGETS}))


if __name__ == "__main__":
    main()

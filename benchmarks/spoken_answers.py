"""Engines on a policy's own answers: what they cost, and whether the verdict that is spoken is the verdict heard.

    OMP_NUM_THREADS=1 python benchmarks/spoken_answers.py [--problems 64] [--engines piper espeak_170] [--second base]

Needs a finished evaluation (`kedro run --pipeline=evaluation`): data/07_model_output/predictions.parquet and
data/04_feature/feature_index.parquet, or --data=another data folder; and the extra speech. The final policy's written
answers to the first problems are spoken by each engine and heard by Whisper tiny.en, exactly as the evaluation does.
CPU seconds are those of speaking and hearing together, this process's and its workers'. The last line is one JSON
object.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.spoken.answers import spoken_answers
from soundmind_pipeline.evaluation.spoken.figures import spoken_figures
from soundmind_pipeline.evaluation.spoken.params import SpokenParams
from soundmind_pipeline.rewards.params import RewardParams
from soundmind_pipeline.rewards.scorer import Scorer

ENGINES: dict[str, dict[str, Any]] = {
    "piper": {"engine": "piper"},
    "espeak": {"engine": "espeak"},
    "espeak_170": {"engine": "espeak", "words_per_minute": (170, 170)},
    "espeak_140": {"engine": "espeak", "words_per_minute": (140, 140)},
    "espeak_120": {"engine": "espeak", "words_per_minute": (120, 120)},
    "kokoro": {"engine": "kokoro"},
}
SHOWN = ("wer", "cer", "words", "substitutions", "deletions", "insertions")
HEARD = ("heard_as_written", "heard_as_written_ci95", "heard_as_written_lenient", "not_well_spoken", "second")


def measure(params: SpokenParams, predictions: pd.DataFrame, samples: pd.DataFrame) -> dict[str, Any]:
    """Figures of one engine, spoken and heard from the beginning."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = spoken_answers(predictions, samples, folder / "work", folder / "spoken", Scorer(RewardParams()), params)
    figures = spoken_figures(rows)
    return {
        "speech_seconds": round(float(rows["spoken_seconds"].sum()), 1),
        "cpu_seconds": round(cpu_seconds() - cpu, 1),
        "seconds": round(time.perf_counter() - wall, 1),
        **{key: figures[key] for key in (*SHOWN, *HEARD)},
    }


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--problems", type=int, default=64, help="problems whose answers each engine speaks")
    parser.add_argument(
        "--engines", nargs="+", choices=ENGINES, default=["piper", "espeak", "espeak_170", "espeak_140"]
    )
    parser.add_argument("--second", help="model of a second recogniser, such as base")
    parser.add_argument("--data", type=Path, default=Path("data"))
    arguments = parser.parse_args()
    predictions = pd.read_parquet(arguments.data / "07_model_output" / "predictions.parquet")
    index = pd.read_parquet(arguments.data / "04_feature" / "feature_index.parquet")
    samples = index[index["uid"].isin(predictions["uid"])]
    result: dict[str, Any] = {"benchmark": "spoken_answers", "problems": arguments.problems, "engines": {}}
    for name in arguments.engines:
        block = {
            "problems": arguments.problems,
            "policies": ["rl"],
            "settings": ["text_to_audio"],
            "speech": ENGINES[name],
            "second_recogniser": {"model": arguments.second} if arguments.second else None,
        }
        try:
            figures = measure(SpokenParams.model_validate(block), predictions, samples)
        except SoundmindError as error:
            result.setdefault("skipped", {})[name] = error.message
            print(f"{name}: skipped: {error}")
            continue
        result["engines"][name] = figures
        print(f"{name}: {figures}", flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

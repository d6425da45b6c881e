"""Speed of `soundmind score`: responses of 100 words per CPU second, start-up excluded.

    OMP_NUM_THREADS=1 python benchmarks/score.py

Needs a CPU, no download and no data: the responses are random words in the think format, one in three of them broken.
`commands.score.run` is timed whole: reading, checking, scoring and writing JSON Lines. Beside it runs the scorer one
would write first, in the manner of the published script: one lazy regular expression over the response, the same terms
and the same files, no check of the rows and no lenient verdict. It shows what exactness costs, and what a lazy
expression costs on hostile input: 21 kB of "<think>". Interleaved runs; the medians are reported. The last line is one
JSON object.
"""

import argparse
import contextlib
import io
import json
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soundmind_pipeline.commands.score import run
from soundmind_pipeline.rewards.params import RewardParams, RewardWeights
from soundmind_pipeline.rewards.scorer import Scorer

TARGET = 20_000
WORDS = 100
VOCABULARY = ("if", "tom", "is", "happy", "then", "anna", "but", "the", "claim", "gives", "nothing", "follows", "not")
ENDINGS = ("Answer: entailed.", "Answer: not entailed.", "I cannot say.")
HOSTILE = "<think>" * 3_000
NAIVE = re.compile(r"<think>(.*?)</think>.*?answer:\s*(not[ _-]entailed|entailed)\W*$", re.DOTALL | re.IGNORECASE)


def write_responses(path: Path, count: int) -> None:
    """Responses of 100 words each in reasoning and answer together, and references alike."""
    generator = random.Random(0)

    def respond(ending: str) -> str:
        reasoning = generator.choices(VOCABULARY, k=WORDS - len(ending.split()))
        return f"<think>{' '.join(reasoning)}</think>\n{ending}"

    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            row = {"id": f"{number:06d}", "response": respond(ENDINGS[number % 3]), "label": number % 2}
            file.write(json.dumps({**row, "reference": respond(ENDINGS[number % 2])}) + "\n")


def naive_score(response: str, label: int, reference: str) -> dict[str, Any]:
    """Format, answer and length by one expression."""
    match, annotated = NAIVE.search(response), NAIVE.search(reference)
    if match is None or annotated is None:
        return {"verdict": None, "format_text": 0.0, "answer": 0.0, "length_text": 0.0, "total": 0.0}
    verdict = "not entailed" if match[2].lower().startswith("not") else "entailed"
    answer = 2.0 * (verdict == ("not entailed", "entailed")[label])
    length = min(1.0, len(match[1].split()) / len(annotated[1].split()))
    return {
        "verdict": verdict,
        "format_text": 1.0,
        "answer": answer,
        "length_text": length,
        "total": 1 + answer + length,
    }


def run_naive(source: Path, target: Path) -> None:
    """The naive scorer over a file."""
    with source.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as out:
        for line in lines:
            row = json.loads(line)
            result = naive_score(row["response"], row["label"], row["reference"])
            out.write(json.dumps({"id": row["id"], **result}) + "\n")


def read_totals(path: Path) -> list[float]:
    return [json.loads(line)["total"] for line in path.read_text(encoding="utf-8").splitlines()]


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--responses", type=int, default=20_000, help="responses a run")
    parser.add_argument("--repeats", type=int, default=5, help="interleaved runs of each side")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        source, target, naive_target = (Path(folder) / name for name in ("in.jsonl", "out.jsonl", "naive.jsonl"))
        write_responses(source, arguments.responses)
        ours, naive = [], []
        for _ in range(arguments.repeats):
            ours.append(arguments.responses / cpu_seconds(lambda: run(source, target, "think", RewardWeights())))
            naive.append(arguments.responses / cpu_seconds(lambda: run_naive(source, naive_target)))
        same = read_totals(target) == read_totals(naive_target)
    scorer = Scorer(RewardParams())
    hostile = cpu_seconds(lambda: scorer.score(HOSTILE, 1, HOSTILE))
    naive_hostile = cpu_seconds(lambda: NAIVE.search(HOSTILE))
    speed, peer = statistics.median(ours), statistics.median(naive)
    print(f"soundmind score {speed:,.0f}, naive regular expression {peer:,.0f} responses per CPU second")
    print(f"21 kB of '<think>': {hostile * 1000:.2f} ms, naive regular expression {naive_hostile * 1000:.0f} ms")
    print(
        json.dumps(
            {
                "benchmark": "score",
                "words_per_response": WORDS,
                "responses_per_cpu_second": round(speed),
                "target": TARGET,
                "ratio_to_target": round(speed / TARGET, 2),
                "naive_regex_responses_per_cpu_second": round(peer),
                "ratio_to_naive_regex": round(speed / peer, 2),
                "same_totals_as_naive_regex": same,
                "hostile_seconds": round(hostile, 5),
                "ratio_to_naive_regex_hostile": round(naive_hostile / hostile),
            }
        )
    )


if __name__ == "__main__":
    main()

"""Cost of text at the published size: 6,446 annotations ingested, validated and audited, in CPU seconds and memory.

    OMP_NUM_THREADS=1 python benchmarks/annotations.py [PATH/dev.jsonl]

Needs a CPU and no download. The rows are those of the published dev file (default ../shared/data/soundmind/dev.jsonl;
made-up ones of like length where it is absent), repeated to the sizes of the published splits in three ways:

* `varied`: a third of the words of each repetition is replaced, so that most texts are no longer alike and the search
  for near duplicates has to look at 6,446 different ones; every twentieth row is a near copy of a published one.
* `near_copies`: every repetition differs from the others by one number in its premises.
* `exact_copies`: every repetition is the same but for its id.

Each way runs in a process of its own: ingestion (`read_soundmind`: parsing, verdicts, premises, leak groups),
validation (the Great Expectations suites with Data Docs, on a table whose audio columns are made up) and the audit
(without audio). CPU seconds are those of the whole process, imports included; memory is its peak. The last line is one
JSON object; its head figures are those of the dearest way.
"""

import argparse
import hashlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SIZES = {"train": 5184, "dev": 606, "test": 656}
DEFAULT = Path(__file__).parents[2] / "shared" / "data" / "soundmind" / "dev.jsonl"
TARGET_CPU_SECONDS = 60.0
TARGET_GB = 1.5
REPLACED_SHARE = 1 / 3
NEAR_COPY_EVERY = 20
MADE_UP_ROWS, QUESTION_WORDS, ANSWER_WORDS = 606, 140, 830
PROMPT = 'Here:\nMajor premise is "{}".\nMinor premise is "{}".\nConclusion is "{}".\n\nYour task is to decide.'

Row = dict[str, Any]
Way = Callable[[Row, int, random.Random], Row]


def read_rows(path: Path) -> list[Row]:
    """The published rows, or made-up ones of like length."""
    if path.is_file():
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    generator = random.Random(0)
    vocabulary = ["".join(generator.choices("aeioulmnrst", k=generator.randint(2, 9))) for _ in range(8000)]

    def words(count: int) -> str:
        return " ".join(generator.choices(vocabulary, k=count))

    rows = []
    for number in range(MADE_UP_ROWS):
        label = number % 2
        question = PROMPT.format(words(QUESTION_WORDS // 2), words(QUESTION_WORDS // 4), words(QUESTION_WORDS // 4))
        answer = f"{words(ANSWER_WORDS)}\n\nAnswer: {'entailed' if label else 'not-entailed'}."
        rows.append({"id": f"{number:04d}", "user_content": question, "answer": answer, "label": label})
    return rows


def vary(row: Row, number: int, generator: random.Random) -> Row:
    """Replace a third of the words between quotation marks, or one of them in a near copy; rows come once unchanged."""
    if number < SIZES["dev"]:
        return row
    parts = row["user_content"].split('"')
    near_copy = number % NEAR_COPY_EVERY == 0
    for place in range(1, len(parts), 2):
        words = parts[place].split(" ")
        count = 1 if near_copy else round(REPLACED_SHARE * len(words))
        for changed in generator.sample(range(len(words)), min(count, len(words))):
            words[changed] = f"{words[changed][:2]}{generator.randrange(5000)}"
        parts[place] = " ".join(words)
    return row | {"user_content": '"'.join(parts)}


WAYS: dict[str, Way] = {
    "varied": vary,
    "near_copies": lambda row, number, _: (
        row | {"user_content": row["user_content"].replace('"', f'"Case {number}: ', 1)}
    ),
    "exact_copies": lambda row, number, _: row,
}


def write_splits(rows: list[Row], way: Way, folder: Path) -> None:
    """The three splits at their published sizes; ids are unique in a split."""
    generator = random.Random(1)
    numbers = iter(range(sum(SIZES.values())))
    for split, size in SIZES.items():
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for place in range(size):
                number = next(numbers)
                row = way(rows[number % len(rows)], number, generator)
                file.write(json.dumps(row | {"id": f"{place + 1:04d}"}, ensure_ascii=False) + "\n")


def run_stages(folder: Path) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """Each stage with its CPU seconds and what it found."""
    from soundmind_pipeline.audit.run import audit_files
    from soundmind_pipeline.problems.expectations import ExpectationParams, validate_manifest
    from soundmind_pipeline.problems.sources.soundmind import read_soundmind

    started = time.process_time()
    rows, rejected, _ = read_soundmind(folder)
    found = {"rows": len(rows), "rejected": len(rejected), "leak_groups": int(rows["leak_group"].nunique())}
    yield "ingest", time.process_time() - started, found
    manifest = with_made_up_audio(rows)
    params = ExpectationParams(max_seconds=300.0, leaks="warning", class_balance_severity="warning")
    started = time.process_time()
    outcome, docs = validate_manifest(manifest, params)
    found = {"expectations": len(outcome["expectations"]), "data_docs_mb": round(sum(map(len, docs.values())) / 1e6, 2)}
    yield "validate", time.process_time() - started, found
    del rows, manifest, outcome, docs
    started = time.process_time()
    audit, _ = audit_files({split: folder / f"{split}.jsonl" for split in SIZES})
    conflicts = sum(split["label_conflicts"] for split in audit["splits"].values())
    near = sum(split["near_duplicate_questions"] for split in audit["splits"].values())
    yield "audit", time.process_time() - started, {"label_conflicts": conflicts, "near_duplicate_questions": near}


def with_made_up_audio(rows: Any) -> Any:
    """The sample table with plausible audio columns: 2.4 words a second, a checksum a row, no spoken answers."""
    from soundmind_pipeline.problems.schema import SAMPLE_COLUMNS, SAMPLE_DTYPES

    seconds = rows["user_content"].str.split().str.len() / 2.4
    question = {
        "question_audio": "data/01_raw/" + rows["uid"] + "/question.wav",
        "question_sha256": [hashlib.sha256(uid.encode()).hexdigest() for uid in rows["uid"]],
        "question_seconds": seconds,
        "question_speech_seconds": 0.9 * seconds,
        "question_loudness_db": -23.0,
    }
    return rows.assign(**question).reindex(columns=list(SAMPLE_COLUMNS)).astype(SAMPLE_DTYPES)


def measure(folder: Path) -> dict[str, Any]:
    """All stages of one way, in this process."""
    result: dict[str, Any] = {}
    for stage, seconds, found in run_stages(folder):
        result |= {f"{stage}_cpu_seconds": round(seconds, 2)} | found
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)  # bytes there, kB elsewhere
    return result | {"cpu_seconds": round(used.ru_utime + used.ru_stime, 2), "peak_gb": round(peak, 3)}


def measure_apart(rows: list[Row], way: str) -> dict[str, Any]:
    """All stages of one way, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        write_splits(rows, WAYS[way], Path(folder))
        command = [sys.executable, __file__, "--measure", folder]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(output.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("annotations", nargs="?", type=Path, default=DEFAULT, help="the published dev.jsonl")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="how the rows are repeated")
    parser.add_argument("--measure", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    rows = read_rows(arguments.annotations)
    made_up = not arguments.annotations.is_file()
    if made_up:
        print(f"{arguments.annotations} is absent: made-up rows of like length instead")
    results = {}
    for way in arguments.ways:
        results[way] = found = measure_apart(rows, way)
        stages = ", ".join(f"{stage} {found[f'{stage}_cpu_seconds']} s" for stage in ("ingest", "validate", "audit"))
        print(f"{way}: {stages}; whole process {found['cpu_seconds']} CPU s, peak {found['peak_gb']} GB", flush=True)
    seconds, peak = (max(found[key] for found in results.values()) for key in ("cpu_seconds", "peak_gb"))
    summary = {
        "benchmark": "annotations",
        "rows": sum(SIZES.values()),
        "made_up_rows": made_up,
        "cpu_seconds": seconds,
        "target_cpu_seconds": TARGET_CPU_SECONDS,
        "ratio_to_target": round(TARGET_CPU_SECONDS / seconds, 2),
        "peak_gb": peak,
        "target_gb": TARGET_GB,
        "within_targets": seconds < TARGET_CPU_SECONDS and peak < TARGET_GB,
    }
    print(json.dumps(summary | results))


if __name__ == "__main__":
    main()

"""Speech engines on the published questions: speed, word error rate, and whether the spoken verdict is heard.

    OMP_NUM_THREADS=1 python benchmarks/speech.py [--questions 20] [--answers 32] [--engines espeak piper kokoro]

Needs the published dev annotations (in ../shared/data/soundmind, or SOUNDMIND_DATA=their folder) and a recogniser
(extra asr; with the extra asr-base a second one listens too). espeak-ng comes with the project; Piper and Kokoro are
spoken where their extras are installed and are listed as skipped where not. Kokoro takes its English voice from npm's
kokoro-js: docs/speech.md. Twenty questions and the ends of 32 answers are half an hour of speech: on one core three
minutes for Piper, twenty for Kokoro, two more for each recogniser.

Each engine speaks the questions with two workers. Its CPU time is that of its processes, from start to end, and this
process's. Word errors are pooled over the questions, after Whisper's normaliser. The verdict is looked for in what is
heard of the last 300 characters of the reference answers, closing sentence included. espeak-ng speaks at the rate of
the pipeline's default and at a slower one, the faster peer that the others are held against. The last line is one
JSON object.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.rewards.lenient import parse_verdict_lenient
from soundmind_pipeline.rewards.verdict import parse_verdict
from soundmind_pipeline.speech.engines.engine import SAMPLE_RATE
from soundmind_pipeline.speech.engines.long import speak_long
from soundmind_pipeline.speech.engines.opening import draw_utterance, open_engine
from soundmind_pipeline.speech.params import SpeechParams
from soundmind_pipeline.speech.recognisers.opening import open_recogniser
from soundmind_pipeline.speech.recognisers.params import RecogniserParams
from soundmind_pipeline.speech.recognisers.recogniser import Recogniser
from soundmind_pipeline.speech.spoken_form import spoken_form
from soundmind_pipeline.speech.word_errors import word_errors

DATA = Path(os.environ.get("SOUNDMIND_DATA", Path(__file__).parents[2] / "shared" / "data" / "soundmind"))
ENGINES: dict[str, dict[str, Any]] = {
    "espeak": {"engine": "espeak"},
    "espeak_slow": {"engine": "espeak", "words_per_minute": (165, 175)},
    "piper": {"engine": "piper"},
    "kokoro": {"engine": "kokoro"},
}
RECOGNISERS = ("tiny.en", "base")
ENDING_CHARACTERS = 300


def speak(params: SpeechParams, texts: Iterable[str]) -> tuple[list[np.ndarray], float]:
    """The waves of ``texts``, and the CPU seconds that they took."""
    with_children = time.process_time() + children_seconds()
    with open_engine(params) as engine:
        utterances = (draw_utterance(params, str(number), text) for number, text in enumerate(texts))
        waves = [np.concatenate(list(chunks)) for chunks in speak_long(engine, utterances)]
    return waves, time.process_time() + children_seconds() - with_children


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def listen(recogniser: Recogniser, waves: list[np.ndarray], texts: list[str]) -> dict[str, float]:
    errors = word_errors(texts, recogniser.transcribe_many(waves))
    return {
        "wer": round(errors.wer, 4),
        "cer": round(errors.cer, 4),
        "words": errors.reference_words,
        "substitutions": errors.substitutions,
        "deletions": errors.deletions,
        "insertions": errors.insertions,
    }


def verdicts_heard(recogniser: Recogniser, waves: list[np.ndarray], answers: list[str]) -> float:
    """Share of the answers whose verdict the transcript has."""
    heard = [parse_verdict_lenient(text) for text in recogniser.transcribe_many(waves)]
    written = [parse_verdict(answer, "plain").verdict for answer in answers]
    return sum(a == b for a, b in zip(heard, written, strict=True)) / len(answers)


def ending(answer: str) -> str:
    """The last sentences of an answer as they are spoken, from the beginning of a word."""
    return spoken_form(answer)[-ENDING_CHARACTERS:].partition(" ")[2]


def measure(
    params: SpeechParams, recognisers: dict[str, Recogniser], questions: list[str], answers: list[str]
) -> dict[str, Any]:
    waves, cpu_seconds = speak(params, questions)
    endings, _ = speak(params, [ending(answer) for answer in answers])
    seconds = sum(map(len, waves)) / SAMPLE_RATE
    return {
        "speech_seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "speech_seconds_per_cpu_second": round(seconds / cpu_seconds, 1),
        "recognisers": {
            name: listen(recogniser, waves, questions)
            | {"verdicts_heard": verdicts_heard(recogniser, endings, answers)}
            for name, recogniser in recognisers.items()
        },
    }


def open_all(names: list[str], weights_folder: str) -> tuple[dict[str, Recogniser], dict[str, str]]:
    """Every recogniser that is installed, and why the others are not."""
    recognisers, skipped = {}, {}
    for name in names:
        try:
            recognisers[name] = open_recogniser(RecogniserParams(model=name, weights_folder=weights_folder))
        except SoundmindError as error:
            skipped[name] = error.message
    return recognisers, skipped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--questions", type=int, default=20, help="questions that each engine speaks")
    parser.add_argument("--answers", type=int, default=32, help="answers whose ends each engine speaks")
    parser.add_argument("--recognisers", nargs="+", choices=RECOGNISERS, default=list(RECOGNISERS))
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--weights-folder", default=SpeechParams().weights_folder)
    arguments = parser.parse_args()
    counts = {"questions": arguments.questions, "answers": arguments.answers}
    result: dict[str, Any] = {"benchmark": "speech", **counts, "engines": {}}
    annotations = DATA / "dev.jsonl"
    if not annotations.is_file():
        print(json.dumps(result | {"skipped": {"all": f"the published dev annotations are not at {annotations}"}}))
        return
    rows = [json.loads(line) for line in annotations.read_text(encoding="utf-8").splitlines()]
    questions = [row["user_content"] for row in rows[: arguments.questions]]
    answers = [row["answer"] for row in rows[: arguments.answers]]
    recognisers, result["skipped"] = open_all(arguments.recognisers, arguments.weights_folder)
    for name in arguments.engines:
        params = SpeechParams(**ENGINES[name], weights_folder=arguments.weights_folder)
        try:
            figures = measure(params, recognisers, questions, answers)
        except SoundmindError as error:
            result["skipped"][name] = error.message
            print(f"{name}: skipped: {error}")
            continue
        result["engines"][name] = figures
        print(f"{name}: {figures['speech_seconds_per_cpu_second']} s of speech per CPU second", flush=True)
        for recogniser, heard in figures["recognisers"].items():
            print(f"  heard by {recogniser}: {heard}", flush=True)
    fast = result["engines"].get("espeak_slow")
    if fast:
        speed = fast["speech_seconds_per_cpu_second"]
        for figures in result["engines"].values():
            figures["speed_ratio_to_espeak_slow"] = round(figures["speech_seconds_per_cpu_second"] / speed, 4)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

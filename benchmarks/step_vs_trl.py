"""One RL step against TRL's GRPOTrainer: CPU and wall seconds, and growth of memory.

    OMP_NUM_THREADS=1 python benchmarks/step_vs_trl.py

Needs Linux, a CPU, no download and no data, and `trl` (extra `dev`). A step is a whole round: rollout,
log-probabilities under the reference, reward, update. Both sides get the same text model (the nano Thinker's language
model, and a Qwen2 with the same weights), prompts (verified problems), n = 8 samples of 96 new tokens, reward function,
GRPO with the same clip and KL (k3 in the loss), LoRA, AdamW, float32, optimisation steps a round, rows a micro-batch,
and threads. The end of turn is a token that the model has no weights for: all completions have full length.

- `published_2x8`: two prompts about as long as the published questions (182 tokens in the mean of the train split), a
  language model of 3.3 million weights, one optimisation step. The ratios at the top of the result are this case's.
- `published_16x8`: such prompts on the nano policy with the round that `conf/base/parameters_rl.yml` sets: 16 prompts,
  two optimisation steps.
- `nano_16x8`: the same round with the nano policy's own questions, 33 tokens in the mean.
- `short_2x8`: `published_2x8` with the nano policy's own questions. There is little to share between samples here.

Each side lives in a process of its own and waits while the other runs. Rounds alternate; after rounds that are not
counted, the medians of the pairs' ratios are reported. Memory is the peak of resident memory over all rounds (VmHWM,
reset through /proc/self/clear_refs after a collection and malloc_trim just before the first one) less what was resident
then.

What differs: TRL trains text only, ours text and audio (the Thinker carries an idle audio tower here). Ours runs under
DeepSpeed ZeRO-2 on one rank, tells malloc to keep freed memory, and has its large matrix products made by oneDNN
(`policy/linear.py`), which is twice as fast as MKL on AMD processors with AVX-512 and makes no difference on most
others; TRL is plain PyTorch. Ours bans control tokens in
sampling and scoring, and takes the sampler's log-probabilities as those of the old policy; TRL takes the update's own
where a round is one step, and computes them in a pass of its own where it is more. TRL runs twice: without gradient
checkpointing, as ours does (the side that ratios mean), and with it, its default, which trades time for memory. TRL's
KL loss carries its default importance-ratio factor. The last line is one JSON object.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from _step_sides import Case, make_policy, make_prompts, make_questions

SIDES = ("ours", "trl", "trl_checkpointing")
TARGETS = {"cpu_ratio": 2.0, "wall_ratio": 2.0, "growth_ratio": 0.7}
HEADLINE = "published_2x8"
CASES = {
    "published_2x8": Case(prompts=2, problems=9, micro_prompts=2, hidden=256, ffn=768),
    "published_16x8": Case(prompts=16, problems=9, micro_prompts=4, minibatches=2),
    "nano_16x8": Case(prompts=16, problems=1, micro_prompts=4, minibatches=2),
    "short_2x8": Case(prompts=2, problems=1, micro_prompts=2, hidden=256, ffn=768),
}
Row = Mapping[str, float]


class Side:
    """A process that runs one side's rounds on demand.

    Args:
        name: One of `SIDES`.
        case: What it runs.
        errors: A file for what it writes to standard error.

    Raises:
        RuntimeError: The process has ended; the message has the end of what it wrote.
    """

    def __init__(self, name: str, case: Case, errors: IO[str]) -> None:
        quiet = {"TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
        script = Path(__file__).with_name("_step_sides.py")
        self._errors = errors
        self._process = subprocess.Popen(
            [sys.executable, str(script), name, json.dumps(asdict(case))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | quiet | {"OMP_NUM_THREADS": str(case.threads)},
        )
        self._answer()

    def round(self) -> Row:
        """Run one round: `cpu` and `wall` seconds, `growth` in MiB so far, mean `length` of the completions."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        row = self._answer()
        self._answer()  # ready for the next one
        return row

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> Row:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"A side of the benchmark has ended:\n{self._errors.read()[-4000:]}")
        answer: Row = json.loads(line)
        return answer


@contextmanager
def started(case: Case) -> Iterator[dict[str, Side]]:
    """All sides of a case, ready for their first round."""
    with ExitStack() as stack:
        sides = {}
        for name in SIDES:
            sides[name] = Side(name, case, stack.enter_context(tempfile.TemporaryFile("w+")))
            stack.callback(sides[name].close)
        yield sides


def compare(case: Case, pairs: int, warm_up: int) -> dict[str, Any]:
    """Run rounds of all sides in turn, the first one last every other time."""
    rows: dict[str, list[Row]] = {name: [] for name in SIDES}
    with started(case) as sides:
        for number in range(warm_up + pairs):
            for name in SIDES if number % 2 else reversed(SIDES):
                rows[name].append(sides[name].round())
    lengths = {row["length"] for name in SIDES for row in rows[name]}
    if lengths != {float(case.new_tokens)}:
        raise RuntimeError(f"Completions of {sorted(lengths)} tokens: the sides did not do the same work.")
    return summarise({name: rows[name][warm_up:] for name in SIDES})


def summarise(rows: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """Each side's medians, and the medians of the pairs' ratios.

    Args:
        rows: The rounds of each side, `ours` among them.

    Returns:
        For each side `cpu` and `wall` in seconds and `growth` in MiB. For the others `cpu_ratio` and `wall_ratio`, how
        many times as long they took as ours, and `growth_ratio`, our growth by theirs.
    """
    result: dict[str, Any] = {}
    ours = rows["ours"]
    for name, theirs in rows.items():
        figures = {key: statistics.median(row[key] for row in theirs) for key in ("cpu", "wall")}
        figures["growth"] = max(row["growth"] for row in theirs)
        if name != "ours":
            pairs = list(zip(theirs, ours, strict=True))
            for key in ("cpu", "wall"):
                figures[f"{key}_ratio"] = statistics.median(other[key] / own[key] for other, own in pairs)
            figures["growth_ratio"] = result["ours"]["growth"] / figures["growth"]
        result[name] = {key: round(value, 3) for key, value in figures.items()}
    return result


def prompt_tokens(case: Case) -> float:
    """Mean length of the prompts in tokens."""
    questions, texts = make_questions(case)
    return statistics.mean(map(len, make_prompts(case, make_policy(case, texts)[1], questions)))


def table(name: str, result: Mapping[str, Any]) -> str:
    """One case as text."""
    lines = [f"{name:<20}{'CPU s':>8}{'wall s':>8}{'MiB':>8}{'CPU x':>8}{'wall x':>8}{'MiB x':>8}"]
    keys = ("cpu", "wall", "growth", "cpu_ratio", "wall_ratio", "growth_ratio")
    for side in SIDES:
        figures = (f"{result[side][key]:8.2f}" for key in keys if key in result[side])
        lines.append(f"  {side:<18}" + "".join(figures))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="timed rounds of each side")
    parser.add_argument("--warm-up", type=int, default=2, help="rounds before them")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    args = parser.parse_args()
    if importlib.util.find_spec("trl") is None:
        raise SystemExit("TRL is not installed: pip install --constraint constraints.txt --editable '.[dev]'")
    results: dict[str, Any] = {}
    for name in args.cases:
        results[name] = compare(CASES[name], args.pairs, args.warm_up)
        print(table(name, results[name]), flush=True)
        results[name]["prompt_tokens"] = prompt_tokens(CASES[name])
    print("CPU x, wall x: TRL's seconds by ours (target 2). MiB x: our growth by TRL's (target 0.7).")
    ratios = {key: results[HEADLINE]["trl"][key] for key in TARGETS} if HEADLINE in results else {}
    print(json.dumps({"benchmark": "step_vs_trl", **ratios, "targets": TARGETS, "cases": results}))


if __name__ == "__main__":
    main()

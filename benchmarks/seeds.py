"""The nano job over seeds and algorithms: held-out accuracy before and after RL.

Every seed is a project folder of its own in which `kedro run --pipeline=rl` builds everything from new problems on;
each further algorithm then starts from the same SFT policy. Nothing of your own data folder is touched.

    python benchmarks/seeds.py --seeds 0 1 2
    python benchmarks/seeds.py --seeds 0 1 2 --algorithms reinforce_pp grpo rloo dapo

The peer of the ratio is the SFT policy: accuracy after RL divided by accuracy before it, audio to text, median over the
seeds. The last line is one JSON object with every figure.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SETTINGS = ("audio_to_text", "text_to_text")


def make_project(folder: Path) -> Path:
    """A project folder with this code and configuration and no artifacts."""
    folder.mkdir(parents=True)
    shutil.copytree(PROJECT / "conf", folder / "conf")
    shutil.copy(PROJECT / "pyproject.toml", folder)
    shutil.copytree(PROJECT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return folder


def run(project: Path, seed: int, algorithm: str, extra: list[str]) -> dict:
    """One `kedro run --pipeline=rl`; returns its evaluation."""
    seeds = {"ingestion.verified.seed": seed, "ingestion.speech.seed": seed, "sft.seed": seed, "rl.seed": seed}
    params = ",".join([*(f"{key}={value}" for key, value in seeds.items()), f"rl.algorithm.name={algorithm}"])
    command = [str(Path(sys.executable).with_name("kedro")), "run", "--pipeline=rl", "--params", params, *extra]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"seed {seed}, {algorithm} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    data = "data/smoke" if "smoke" in extra else "data"
    return json.loads((project / data / "08_reporting" / "evaluation.json").read_text())


def row(evaluation: dict, setting: str) -> str:
    """One line of the table."""
    before, after = (evaluation["policies"][policy][setting] for policy in ("sft", "rl"))
    paired = evaluation["paired"][setting]
    shortcut = max(evaluation["shortcuts"].values())
    low, high = (100 * bound for bound in paired["ci95"])
    return (
        f"{setting:14s} SFT {100 * before['accuracy']:5.1f}  RL {100 * after['accuracy']:5.1f}"
        f"  change {100 * paired['difference']:+5.1f} [{low:+.1f}, {high:+.1f}]"
        f"  over best shortcut {100 * (after['accuracy'] - shortcut):+5.1f}"
        f"  valid reasoning when right {100 * after['reasoning_valid_when_right']:5.1f}"
        f"  heard {100 * before['heard']:.1f} → {100 * after['heard']:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--algorithms", nargs="+", default=["reinforce_pp"])
    parser.add_argument("--env", default=None, help="Kedro environment, e.g. smoke")
    parser.add_argument("--keep", type=Path, default=None, help="folder to keep the projects in")
    arguments = parser.parse_args()
    extra = ["--env", arguments.env] if arguments.env else []
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.keep or Path(temporary)
        for seed in arguments.seeds:
            project = make_project(root / f"seed{seed}")
            for algorithm in arguments.algorithms:
                evaluation = run(project, seed, algorithm, extra)
                results.append({"seed": seed, "algorithm": algorithm, **evaluation})
                for setting in SETTINGS:
                    print(f"seed {seed}  {algorithm:14s}  {row(evaluation, setting)}", flush=True)
                controls = evaluation["controls"]
                told = ", ".join(f"{name} {100 * control['accuracy']:.1f}" for name, control in controls.items())
                print(
                    f"seed {seed}  {algorithm:14s}  controls: {told}; label prior {100 * evaluation['label_prior']:.1f}"
                )
    ratios = {
        algorithm: statistics.median(
            result["policies"]["rl"]["audio_to_text"]["accuracy"]
            / max(result["policies"]["sft"]["audio_to_text"]["accuracy"], 1e-9)
            for result in results
            if result["algorithm"] == algorithm
        )
        for algorithm in arguments.algorithms
    }
    print(json.dumps({"benchmark": "seeds", "peer": "SFT policy", "ratios": ratios, "results": results}))


if __name__ == "__main__":
    main()

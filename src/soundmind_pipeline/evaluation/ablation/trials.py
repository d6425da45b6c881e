"""Training and examining every arm with every seed, in folders that an interrupted ablation goes on from."""

import functools
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from soundmind_pipeline.code_files import made_with
from soundmind_pipeline.evaluation.ablation.arms import Arm
from soundmind_pipeline.evaluation.ablation.params import AblationParams
from soundmind_pipeline.evaluation.answer_store import AnswerStore
from soundmind_pipeline.evaluation.conditions import Condition
from soundmind_pipeline.evaluation.held_out import held_out
from soundmind_pipeline.evaluation.metrics import headline, summarise
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.evaluation.tables import duration
from soundmind_pipeline.files import atomic_path
from soundmind_pipeline.metrics import MetricSink, RunSink
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.rewards.params import RewardParams
from soundmind_pipeline.stages import flatten
from soundmind_pipeline.training.params import RlParams

logger = logging.getLogger("soundmind_pipeline")

START: Final = "sft"
"""What stands for the arm of the policy that all trials start from."""
EXAMINED: Final = ("audio_to_text", "text_to_text")
_ANSWERS_DEPEND_ON: Final = {
    "split", "exclude_label_conflicts", "exclude_leaks", "max_new_tokens", "batch_rows", "dtype",
}  # fmt: skip
_CODE: Final = ("soundmind_pipeline.training.reinforce.trainer", "soundmind_pipeline.evaluation.predict")
"""Modules that, with what they import, decide on a trial's outcome."""
_LIBRARIES: Final = ("torch", "transformers", "peft", "deepspeed")


@dataclass(frozen=True)
class TrialInputs:
    """What all trials share."""

    sft_policy: ModelFolder
    """Where every trial starts."""
    index: pd.DataFrame
    """The feature index, all splits."""
    log_mels: Mapping[str, np.ndarray]
    """uid → float32 [frames, 128]."""
    deepspeed: Mapping[str, Any]
    """The parsed DeepSpeed file."""
    evaluation: EvaluationParams
    """How held-out problems are answered; ``max_problems`` is the ablation's."""

    def fingerprint(self) -> dict[str, str]:
        """What decides a trial's outcome beside its RL parameters."""
        from soundmind_pipeline.training.fingerprint import fingerprint

        # The policy's files are hashed once here, not once a trial.
        whole = fingerprint(RlParams(), self.sft_policy.path, self.index, 1, self.deepspeed)
        kept = {name: value for name, value in whole.items() if name.startswith(("deepspeed.", "upstream", "sample"))}
        answers = self.evaluation.model_dump(mode="json", include={*_ANSWERS_DEPEND_ON, "max_problems"})
        return kept | _code() | {f"evaluation.{name}": repr(value) for name, value in answers.items()}


@dataclass(frozen=True)
class Trial:
    """One arm with one seed, and the folder it works in."""

    arm: Arm
    params: RlParams
    """The arm's, with the trial's seed."""
    digest: str
    """Identifies everything that decides the outcome."""
    folder: Path

    @property
    def name(self) -> str:
        """What people read, e.g. ``no_text seed 1``."""
        return f"{self.arm.name} seed {self.params.seed}"

    @property
    def predictions(self) -> Path:
        """Its answers; written last, so that the trial is finished once they stand."""
        return self.folder / "predictions.parquet"

    @property
    def history(self) -> Path:
        """The metrics of its training; written once the trained policy stands."""
        return self.folder / "history.csv"


def run_all(
    arms: Sequence[Arm], ablation: AblationParams, inputs: TrialInputs, work: Path, sink: RunSink
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run every trial that is not finished yet; killed at any moment, the same call goes on where it was.

    Args:
        arms: What is compared.
        ablation: Seeds, number of problems, whether to resume.
        inputs: What all trials share.
        work: One folder a trial, named by what decides its outcome; finished ones are kept.
        sink: Each trial is a child of it.

    Returns:
        The answers: columns ``arm`` and ``seed`` before those of
        :meth:`~soundmind_pipeline.evaluation.predict.Examiner.predict`; the SFT policy's under the arm ``sft``. And the
        histories: ``arm``, ``seed``, ``step`` and the training's metrics.
    """
    _warn_of_silence(arms)
    shared = inputs.fingerprint()
    trials = [_trial(arm, seed, shared, work) for seed in ablation.seeds for arm in arms]
    if not ablation.resume:
        for trial in trials:
            shutil.rmtree(trial.folder, ignore_errors=True)
    finished = [trial.name for trial in trials if trial.predictions.exists()]
    if finished:
        logger.info("%d of %d trials are finished already: %s.", len(finished), len(trials), ", ".join(finished))
    predictions = [_start(arms[0], inputs, shared, work, ablation.resume)]
    histories, spent = [], []
    for number, trial in enumerate(trials, 1):
        was_finished, started = trial.predictions.exists(), time.monotonic()
        try:
            answers, history = _run(trial, inputs, sink)
        except Exception:
            logger.error("%s failed; what is finished is kept, the same command goes on with this trial.", trial.name)
            raise
        predictions.append(_marked(answers, trial.arm.name, trial.params.seed))
        histories.append(_marked(history, trial.arm.name, trial.params.seed))
        if not was_finished:
            spent.append(time.monotonic() - started)
            left = sum(not later.predictions.exists() for later in trials[number:])
            _tell(trial, answers, number, len(trials), spent, left)
    return pd.concat(predictions, ignore_index=True), pd.concat(histories, ignore_index=True)


def _warn_of_silence(arms: Sequence[Arm]) -> None:
    """Say so where audio rewards are asked for but cannot be earned."""
    mute = [arm.name for arm in arms if arm.weights.format_audio + arm.weights.length_audio and not arm.params.speaks]
    if mute:
        logger.warning("Rollouts are not spoken: the audio rewards of %s are never paid.", ", ".join(mute))


def _trial(arm: Arm, seed: int, shared: Mapping[str, str], work: Path) -> Trial:
    from soundmind_pipeline.training.fingerprint import decisive_parameters

    params = arm.params.model_copy(update={"seed": seed})
    processes = {"launcher.processes": str(params.launcher.processes)}
    digest = _digest({**shared, **decisive_parameters(params), **processes})
    return Trial(arm, params, digest, work / f"{arm.name}-seed{seed}-{digest}")


@functools.cache  # what this process has loaded stays as it was
def _code() -> dict[str, str]:
    made = made_with(_CODE, _LIBRARIES, source=Path(__file__).parents[3])
    return {f"made with {name}": value for name, value in made.items()}


def _digest(identity: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]


def _run(trial: Trial, inputs: TrialInputs, sink: RunSink) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The trial's answers and history; trains and examines only what is not there yet."""
    tags = {
        "soundmind.trial": trial.digest,
        "soundmind.arm": trial.arm.name,
        "soundmind.seed": str(trial.params.seed),
        "soundmind.algorithm": trial.arm.algorithm,
    }
    trial.folder.mkdir(parents=True, exist_ok=True)
    with sink.child(trial.name, flatten({"rl": trial.params.model_dump(mode="json")}), tags) as child:
        _train(trial, inputs, child)
        history = pd.read_csv(trial.history)
        for row in history.to_dict("records"):
            known = {str(name): value for name, value in row.items() if name != "step" and not pd.isna(value)}
            child.log(int(row["step"]), known)
        if not trial.predictions.exists():
            policy = ModelFolder(trial.folder / "training" / "export")
            answers = _examine(trial.arm.name, policy, trial.params, inputs, trial.folder)
            with atomic_path(trial.predictions) as temporary:
                answers.to_parquet(temporary, index=False)
        for scratch in ("training", "answers"):  # also what a run left that was killed right here
            shutil.rmtree(trial.folder / scratch, ignore_errors=True)
        answers = pd.read_parquet(trial.predictions)
        for setting, rows in answers.groupby("setting", sort=False):
            figures = {f"eval/{setting}/{name}": value for name, value in headline(summarise(rows)).items()}
            child.log(trial.params.steps, figures)
    return answers, history


def _train(trial: Trial, inputs: TrialInputs, child: MetricSink) -> None:
    """Train the trial's policy, from its last checkpoint if there is one."""
    from soundmind_pipeline.training.launcher.launch import run_training
    from soundmind_pipeline.training.reinforce.trainer import train_rl

    if trial.history.exists():
        return
    _, history = run_training(
        train_rl,
        sft_policy=inputs.sft_policy,
        index=inputs.index,
        log_mels=inputs.log_mels,
        work=trial.folder / "training",
        metrics=child,
        params=trial.params,
        deepspeed=inputs.deepspeed,
    )
    with atomic_path(trial.history) as temporary:
        history.to_csv(temporary, index=False)


def _start(arm: Arm, inputs: TrialInputs, shared: Mapping[str, str], work: Path, resume: bool) -> pd.DataFrame:
    """Answers of the SFT policy, kept like those of a trial."""
    asked = {"instruction": arm.params.instruction, "reward": _marking(arm.params).model_dump_json()}
    path = work / f"{START}-{_digest({**shared, **asked})}" / "predictions.parquet"
    if not resume:
        shutil.rmtree(path.parent, ignore_errors=True)
    if not path.exists():
        with atomic_path(path) as temporary:
            _examine(START, inputs.sft_policy, arm.params, inputs, path.parent).to_parquet(temporary, index=False)
    shutil.rmtree(path.parent / "answers", ignore_errors=True)
    return _marked(pd.read_parquet(path), START, 0)


def _examine(name: str, policy: ModelFolder, params: RlParams, inputs: TrialInputs, folder: Path) -> pd.DataFrame:
    """Greedy answers to the held-out problems, heard and read; those given are kept in ``folder`` on the way."""
    from soundmind_pipeline.evaluation.predict import cpu_threads, load_examiner

    samples, store = held_out(inputs.index, inputs.evaluation), AnswerStore(folder / "answers")
    with cpu_threads(inputs.evaluation.threads):
        examiner = load_examiner(name, policy, params.instruction, _marking(params), inputs.evaluation, store)
        tables = [examiner.predict(samples, inputs.log_mels, Condition(setting)) for setting in EXAMINED]
    return pd.concat(tables, ignore_index=True)


def _marking(params: RlParams) -> RewardParams:
    """The full reward of the paper, whatever the arm was trained on: rewards of different scales say nothing."""
    return RewardParams(style=params.reward.style, shaping=params.reward.shaping)


def _marked(table: pd.DataFrame, arm: str, seed: int) -> pd.DataFrame:
    return pd.concat([pd.DataFrame({"arm": arm, "seed": seed}, index=table.index), table], axis=1)


def _tell(trial: Trial, answers: pd.DataFrame, number: int, total: int, spent: Sequence[float], left: int) -> None:
    """One line a trial: what it reached, and how long the rest will take."""
    heard = answers.loc[answers["setting"] == EXAMINED[0], "right"].mean()
    rest = f"; {left} left, about {duration(left * sum(spent) / len(spent))}" if left else ""
    logger.info(
        "Trial %d of %d, %s: %.1f%% right when heard, %s%s",
        number, total, trial.name, 100 * heard, duration(spent[-1]), rest,
    )  # fmt: skip

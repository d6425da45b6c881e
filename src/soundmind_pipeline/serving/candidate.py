"""A trained policy made ready for the registry: it answers the dev problems, and shows how it is asked."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.conditions import Condition
from soundmind_pipeline.evaluation.held_out import held_out
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.serving.champion import problem_digests
from soundmind_pipeline.serving.registry import Candidate
from soundmind_pipeline.training.params import RlParams

ANSWER_COLUMNS = ["uid", "verdict", "right", "response"]


def prepare_candidate(
    policy: ModelFolder,
    index: pd.DataFrame,
    log_mels: Mapping[str, np.ndarray],
    rl: RlParams,
    evaluation: EvaluationParams,
    problems: int | None,
    sounds: Path,
    work: Path,
    tags: Mapping[str, str],
) -> Candidate:
    """The policy with its answers to spoken dev problems, in the way the evaluation asks the test problems.

    Args:
        policy: The policy after RL.
        index: The feature index.
        log_mels: uid → float32 [frames, 128].
        rl: Gives the instruction and the format of the answers.
        evaluation: Gives batch size, answer length, precision.
        problems: Number of dev problems; None takes all.
        sounds: What the paths of sound files in ``index`` are relative to.
        work: Where answers are kept until all are given, so that a registration that is killed or fails goes on.
        tags: What else identifies the policy.
    """
    on_dev = evaluation.model_copy(update={"split": "dev", "max_problems": problems})
    try:
        samples: pd.DataFrame | None = held_out(index, on_dev)
    except SoundmindError:  # there are none
        samples = None
    config: dict[str, Any] = {
        "instruction": rl.instruction,
        "style": rl.reward.style,
        "max_new_tokens": evaluation.max_new_tokens,
        "dtype": evaluation.dtype,
    }
    answers = None if samples is None else _dev_answers(policy, samples, log_mels, rl, on_dev, work)
    example = _example(index if samples is None else samples, sounds)
    return Candidate(policy, answers, config, example, tags)


def _dev_answers(
    policy: ModelFolder,
    samples: pd.DataFrame,
    log_mels: Mapping[str, np.ndarray],
    rl: RlParams,
    evaluation: EvaluationParams,
    work: Path,
) -> pd.DataFrame:
    from soundmind_pipeline.evaluation.answer_store import AnswerStore
    from soundmind_pipeline.evaluation.predict import cpu_threads, load_examiner

    store = AnswerStore(work / "answers" / "registry")
    with cpu_threads(evaluation.threads):
        examiner = load_examiner("rl", policy, rl.instruction, rl.reward, evaluation, store)
        answers = examiner.predict(samples, log_mels, Condition("audio_to_text"))
    store.forget_others()
    return answers[ANSWER_COLUMNS].assign(problem=problem_digests(samples).to_numpy())


def _example(samples: pd.DataFrame, sounds: Path) -> pd.DataFrame:
    """The first question as the model takes it: the bytes of its sound in base64, or its text without the file."""
    first = samples.iloc[0]
    file = sounds / str(first["question_audio"])
    if not file.is_file():
        return pd.DataFrame([{"audio": None, "question": first["user_content"]}])
    return pd.DataFrame([{"audio": base64.b64encode(file.read_bytes()).decode(), "question": None}])

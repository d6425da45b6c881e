"""Nodes of the evaluation stage; what they compute stands in :mod:`soundmind_pipeline.evaluation`."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.conditions import Condition, conditions
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.metrics import MetricSink
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.training.params import RlParams

if TYPE_CHECKING:
    from soundmind_pipeline.evaluation.predict import Examiner

# Kedro reads these hints when it builds parameter objects, so every name in them must exist at run time; heavy modules
# are imported inside the nodes, because `kedro registry list` must not pay for them.
Clips = Mapping[str, np.ndarray]
logger = logging.getLogger("soundmind_pipeline")


def speak_in_other_voice(feature_index: pd.DataFrame, work: Path, evaluation: EvaluationParams) -> Clips:
    """The held-out questions in another voice, where that control is wanted."""
    from soundmind_pipeline.evaluation.held_out import held_out
    from soundmind_pipeline.evaluation.other_voice import speak_questions

    if "other_voice" not in evaluation.controls:
        return {}
    return speak_questions(held_out(feature_index, evaluation), evaluation.other_voice, work / "other_voice")


def evaluate_sft(
    sft_policy: ModelFolder,
    feature_index: pd.DataFrame,
    log_mels: Clips,
    work: Path,
    live_metrics: MetricSink,
    rl: RlParams,
    evaluation: EvaluationParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers of the SFT policy in every setting, greedy and drawn at random: the state before RL."""
    audio = dict.fromkeys(conditions(()), log_mels)
    return _evaluate("sft", sft_policy, feature_index, audio, work, live_metrics, rl, evaluation)


def evaluate_rl(
    rl_policy: ModelFolder,
    feature_index: pd.DataFrame,
    log_mels: Clips,
    question_speech: Clips,
    other_voice: Clips,
    work: Path,
    live_metrics: MetricSink,
    rl: RlParams,
    evaluation: EvaluationParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers of the final policy in every setting, and under every control of its audio."""
    from soundmind_pipeline.evaluation.controls import controlled_log_mels
    from soundmind_pipeline.evaluation.metrics import audio_grounding

    audio = {
        condition: controlled_log_mels(condition.control, log_mels, question_speech, other_voice, evaluation.seed)
        for condition in conditions(evaluation.controls)
    }
    predictions, sampled = _evaluate("rl", rl_policy, feature_index, audio, work, live_metrics, rl, evaluation)
    if grounding := audio_grounding(predictions, evaluation.bootstrap_samples, evaluation.seed):
        live_metrics.log(rl.steps, {"eval/audio_grounding_gap": grounding["gap"]})
    return predictions, sampled


def _evaluate(
    name: str,
    folder: ModelFolder,
    index: pd.DataFrame,
    audio: Mapping[Condition, Clips],
    work: Path,
    sink: MetricSink,
    rl: RlParams,
    evaluation: EvaluationParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One policy's greedy answers under every condition, and those drawn at random; figures are logged at once."""
    from soundmind_pipeline.evaluation.answer_store import AnswerStore
    from soundmind_pipeline.evaluation.held_out import held_out, left_out
    from soundmind_pipeline.evaluation.predict import cpu_threads, load_examiner

    samples = held_out(index, evaluation)
    for reason, count in left_out(index, evaluation).items():
        logger.info("%s, %s: %d problems left out: %s", name, evaluation.split, count, reason)
    store = AnswerStore(work / "answers" / name)
    with cpu_threads(evaluation.threads):
        examiner = load_examiner(name, folder, rl.instruction, rl.reward, evaluation, store)
        tables = []
        for condition, log_mels in audio.items():
            tables.append(examiner.predict(samples, log_mels, condition))
            figures = headline_of(tables[-1])
            logger.info("%s, %s: %.1f%% of %d right", name, condition.key, 100 * figures["accuracy"], len(samples))
            _log(sink, name, condition.key, figures, rl)
        sampled = _sample(examiner, samples, audio, sink, rl)
    store.forget_others()
    return pd.concat(tables, ignore_index=True), sampled


def _sample(
    examiner: "Examiner", samples: pd.DataFrame, audio: Mapping[Condition, Clips], sink: MetricSink, rl: RlParams
) -> pd.DataFrame:
    """Answers drawn at random in each setting that they are wanted in; empty without any."""
    from soundmind_pipeline.evaluation.sampled import summarise_sampled

    params, tables = examiner.params, []
    for setting in params.sampling.settings if params.sampling.problems else ():
        condition = Condition(setting)
        tables.append(examiner.sample(samples, audio[condition], condition, params.sampling))
        figures = summarise_sampled(tables[-1], params.bootstrap_samples, params.seed)
        best = {f"pass_at_{k}": cell["value"] for k, cell in figures["pass_at"].items()}
        votes = {f"majority_at_{k}": cell["value"] for k, cell in figures["majority_at"].items()}
        _log(sink, examiner.name, condition.key, best | votes, rl)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["policy", "setting"])


def headline_of(rows: pd.DataFrame) -> dict[str, float]:
    """The figures of one policy under one condition that trackers follow."""
    from soundmind_pipeline.evaluation.metrics import headline, summarise

    return headline(summarise(rows))


def _log(sink: MetricSink, policy: str, key: str, figures: Mapping[str, float], rl: RlParams) -> None:
    """Log figures under ``eval/<policy>/<condition>``; the final policy's carry the plain name ``eval/…`` too."""
    prefixes = ("eval/rl", "eval") if policy == "rl" else (f"eval/{policy}",)
    for prefix in prefixes:
        metrics = {f"{prefix}/{key}/{name}": value for name, value in figures.items()}
        sink.log(rl.steps if policy == "rl" else 0, metrics)


def speak_answers(
    sft_predictions: pd.DataFrame,
    rl_predictions: pd.DataFrame,
    feature_index: pd.DataFrame,
    processor: ModelFolder,
    work: Path,
    clips: Path,
    live_metrics: MetricSink,
    rl: RlParams,
    evaluation: EvaluationParams,
) -> pd.DataFrame:
    """Some of the answers, spoken and heard again: the settings that end in audio."""
    from soundmind_pipeline.evaluation.held_out import held_out
    from soundmind_pipeline.evaluation.predict import scorer_with
    from soundmind_pipeline.evaluation.spoken.answers import spoken_answers
    from soundmind_pipeline.policy.processor import load_processor

    written = pd.concat([sft_predictions, rl_predictions], ignore_index=True)
    samples, scorer = held_out(feature_index, evaluation), scorer_with(load_processor(processor.path), rl.reward)
    rows = spoken_answers(written, samples, work / "spoken", clips, scorer, evaluation.spoken)
    for (policy, setting), group in rows.groupby(["policy", "setting"], sort=False):
        _log(live_metrics, str(policy), str(setting), headline_of(group), rl)
    return rows


def answer_baselines(
    rl_policy: ModelFolder,
    feature_index: pd.DataFrame,
    question_speech: Clips,
    work: Path,
    rl: RlParams,
    evaluation: EvaluationParams,
) -> pd.DataFrame:
    """Answers of everybody else, marked by the same scorer."""
    from soundmind_pipeline.evaluation.answer_store import AnswerStore
    from soundmind_pipeline.evaluation.baselines.run import baseline_predictions
    from soundmind_pipeline.evaluation.held_out import held_out
    from soundmind_pipeline.evaluation.predict import cpu_threads, load_examiner

    train, samples = feature_index[feature_index["split"] == "train"], held_out(feature_index, evaluation)
    store = AnswerStore(work / "answers" / "baselines")

    def examiner() -> "Examiner":
        return load_examiner("rl", rl_policy, rl.instruction, rl.reward, evaluation, store)

    replies, params = work / "baselines", evaluation.baselines
    with cpu_threads(evaluation.threads):
        rows = baseline_predictions(train, samples, question_speech, examiner, replies, params)
    store.forget_others()
    return rows


def join_predictions(*tables: pd.DataFrame) -> pd.DataFrame:
    """All predictions in one table; what a row has no value for is null."""
    # Columns that are null throughout a table would decide on the joined column's type.
    filled = [table.dropna(axis="columns", how="all") for table in tables if len(table)]
    columns = list(dict.fromkeys(name for table in tables for name in table.columns))
    return pd.concat(filled or tables, ignore_index=True).reindex(columns=columns)


def assemble_metrics(
    predictions: pd.DataFrame,
    sampled_predictions: pd.DataFrame,
    feature_index: pd.DataFrame,
    evaluation: EvaluationParams,
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """``evaluation.json``, the small metrics file, and accuracy by form as CSV."""
    from soundmind_pipeline.evaluation.metrics import assemble, flat_metrics, form_table
    from soundmind_pipeline.evaluation.other_run import read_other_run
    from soundmind_pipeline.problems.shortcuts import shortcut_accuracies

    train = feature_index[feature_index["split"] == "train"]
    answered = feature_index[feature_index["uid"].isin(predictions["uid"])]
    shortcuts = shortcut_accuracies(train, answered)
    path = evaluation.compare_with
    others = {path: read_other_run(path, predictions)} if path else {}
    results = assemble(
        predictions, shortcuts, evaluation.bootstrap_samples, evaluation.seed, sampled_predictions, others
    )
    return results, flat_metrics(results), form_table(results).to_csv(index=False)

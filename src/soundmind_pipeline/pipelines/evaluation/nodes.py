"""Nodes of the evaluation stage; what they compute stands in :mod:`soundmind_pipeline.evaluation`."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.conditions import Condition, conditions
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.metrics import MetricSink
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.training.params import RlParams, SftParams

# Kedro reads these hints when it builds parameter objects, so every name in them must exist at run time; heavy modules
# are imported inside the nodes, because `kedro registry list` must not pay for them.
Clips = Mapping[str, np.ndarray]
logger = logging.getLogger("soundmind_pipeline")


def evaluate_sft(
    sft_policy: ModelFolder,
    feature_index: pd.DataFrame,
    log_mels: Clips,
    live_metrics: MetricSink,
    rl: RlParams,
    evaluation: EvaluationParams,
) -> pd.DataFrame:
    """Answers of the SFT policy, heard and read: the state before RL."""

    def log(condition: Condition, figures: Mapping[str, float]) -> None:
        live_metrics.log(0, {f"eval/sft/{condition.key}/{name}": value for name, value in figures.items()})

    return _evaluate("sft", sft_policy, feature_index, log_mels, conditions(()), rl, evaluation, log)


def evaluate_rl(
    rl_policy: ModelFolder,
    feature_index: pd.DataFrame,
    log_mels: Clips,
    live_metrics: MetricSink,
    rl: RlParams,
    evaluation: EvaluationParams,
) -> pd.DataFrame:
    """Answers of the final policy, heard and read, and without its audio (the controls)."""

    def log(condition: Condition, figures: Mapping[str, float]) -> None:
        for prefix in ("eval/rl", "eval"):  # the final policy's figures carry the plain names too
            live_metrics.log(rl.steps, {f"{prefix}/{condition.key}/{name}": value for name, value in figures.items()})

    return _evaluate("rl", rl_policy, feature_index, log_mels, conditions(evaluation.controls), rl, evaluation, log)


def _evaluate(
    name: str,
    folder: ModelFolder,
    index: pd.DataFrame,
    log_mels: Clips,
    asked: Iterable[Condition],
    rl: RlParams,
    evaluation: EvaluationParams,
    log: Callable[[Condition, Mapping[str, float]], None],
) -> pd.DataFrame:
    """Predictions of one policy under every condition; figures are logged as soon as a condition is done."""
    from soundmind_pipeline.evaluation.held_out import held_out, left_out
    from soundmind_pipeline.evaluation.metrics import headline, summarise
    from soundmind_pipeline.evaluation.predict import cpu_threads, load_examiner

    samples = held_out(index, evaluation)
    for reason, count in left_out(index, evaluation).items():
        logger.info("%s, %s: %d problems left out: %s", name, evaluation.split, count, reason)
    with cpu_threads(evaluation.threads):
        examiner = load_examiner(name, folder, rl.instruction, rl.reward, evaluation)
        tables = []
        for condition in asked:
            tables.append(examiner.predict(samples, log_mels, condition))
            figures = headline(summarise(tables[-1]))
            logger.info("%s, %s: %.1f%% of %d right", name, condition.key, 100 * figures["accuracy"], len(samples))
            log(condition, figures)
    return pd.concat(tables, ignore_index=True)


def join_predictions(sft_predictions: pd.DataFrame, rl_predictions: pd.DataFrame) -> pd.DataFrame:
    """All predictions in one table."""
    return pd.concat([sft_predictions, rl_predictions], ignore_index=True)


def assemble_metrics(
    predictions: pd.DataFrame, feature_index: pd.DataFrame, evaluation: EvaluationParams
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """``evaluation.json``, the small metrics file, and accuracy by form as CSV."""
    from soundmind_pipeline.evaluation.held_out import held_out
    from soundmind_pipeline.evaluation.metrics import assemble, flat_metrics, form_table
    from soundmind_pipeline.problems.shortcuts import shortcut_accuracies

    train = feature_index[feature_index["split"] == "train"]
    shortcuts = shortcut_accuracies(train, held_out(feature_index, evaluation))
    results = assemble(predictions, shortcuts, evaluation.bootstrap_samples, evaluation.seed)
    return results, flat_metrics(results), form_table(results).to_csv(index=False)


def draw_figures(
    evaluation_results: dict[str, Any], sft_history: pd.DataFrame, rl_history: pd.DataFrame
) -> tuple[str, str, str]:
    """Learning curves, accuracy before and after RL, and accuracy by form, each as SVG."""
    from soundmind_pipeline.evaluation.figures import draw_accuracy, draw_forms, draw_learning_curves

    curves = draw_learning_curves(sft_history, rl_history)
    return curves, draw_accuracy(evaluation_results), draw_forms(evaluation_results)


def write_report(
    evaluation_results: dict[str, Any],
    predictions: pd.DataFrame,
    feature_index: pd.DataFrame,
    question_speech: Clips,
    curves_figure: str,
    accuracy_figure: str,
    forms_figure: str,
    sft: SftParams,
    rl: RlParams,
    evaluation: EvaluationParams,
) -> str:
    """The self-contained HTML report."""
    from soundmind_pipeline.evaluation.examples import choose_examples
    from soundmind_pipeline.evaluation.report import render_report
    from soundmind_pipeline.stages import flatten

    examples = choose_examples(predictions, feature_index, question_speech, evaluation.report_examples)
    figures = {"curves": curves_figure, "accuracy": accuracy_figure, "forms": forms_figure}
    blocks = {"sft": sft, "rl": rl, "evaluation": evaluation}
    settings = {name: flatten(block.model_dump(mode="json")) for name, block in blocks.items()}
    return render_report(evaluation_results, figures, examples, settings)

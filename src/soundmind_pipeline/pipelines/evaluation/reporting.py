"""Nodes of the evaluation stage that need no model: figures, the paper's tables, the report."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.stages import Artifact, Origin, flatten
from soundmind_pipeline.training.params import RlParams, SftParams

Files = Mapping[str, bytes]
logger = logging.getLogger("soundmind_pipeline")


def draw_figures(
    evaluation_results: dict[str, Any],
    predictions: pd.DataFrame,
    sft_history: pd.DataFrame,
    rl_history: pd.DataFrame,
) -> dict[str, bytes]:
    """Every figure of the report as an SVG file."""
    from soundmind_pipeline.evaluation.slice_figures import figure_files

    return figure_files(evaluation_results, predictions, sft_history, rl_history)


def write_tables(
    evaluation_results: dict[str, Any], feature_index: pd.DataFrame, ablation_summary: dict[str, Any] | None
) -> dict[str, bytes]:
    """Tables 3 to 7 and figure 4 of the paper with this run's numbers, as CSV, JSON, LaTeX, HTML and SVG."""
    from soundmind_pipeline.evaluation.paper_tables import table_files

    return table_files(evaluation_results, feature_index, ablation_summary)


def write_report(
    evaluation_results: dict[str, Any],
    predictions: pd.DataFrame,
    feature_index: pd.DataFrame,
    question_speech: Mapping[str, np.ndarray],
    figures: Files,
    paper_tables: Files,
    ablation_summary: dict[str, Any] | None,
    answers_origin: tuple[Artifact, Origin] | None,
    sft: SftParams,
    rl: RlParams,
    evaluation: EvaluationParams,
) -> str:
    """The self-contained HTML report."""
    from soundmind_pipeline.evaluation.examples import choose_examples
    from soundmind_pipeline.evaluation.report import Inputs, render_report

    examples = choose_examples(
        predictions, feature_index, question_speech, evaluation.report_examples, read_clip=_read_clip
    )
    blocks = {"sft": sft, "rl": rl, "evaluation": evaluation}
    settings = {name: flatten(block.model_dump(mode="json")) for name, block in blocks.items()}
    return render_report(
        Inputs(evaluation_results, figures, paper_tables, examples, settings, ablation_summary, answers_origin)
    )


def _read_clip(path: str) -> np.ndarray | None:
    """A spoken answer; None if its file is gone or broken, which a report can do without."""
    from soundmind_pipeline.speech.audio import AudioError, load_audio

    try:
        return load_audio(path)
    except AudioError as error:
        logger.warning("The report does without a spoken answer: %s", error)
        return None
